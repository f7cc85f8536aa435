"""An A2A agent built with the official SDK for Python alone: it summarizes, once it knows how long the summary may be.

Tasks are kept by the SDK in SQLite, so a question outlives the process. Each answer it takes is a line in `answers.log`;
while the file `hold` exists, work under way does not end.
"""

import argparse
import asyncio
import re
import socket
from collections import Counter
from pathlib import Path

import uvicorn
from a2a.helpers import get_message_text, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import DatabaseTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette


def summarize(text: str, sentences: int) -> str:
    """Keeps the sentences whose words are the most frequent ones, in their order."""
    every = re.split(r'(?<=[.!?])\s+', text.strip())
    frequency = Counter(words(text))

    def weight(sentence: str) -> float:
        return sum(frequency[word] for word in words(sentence)) / (len(words(sentence)) or 1)

    best = sorted(range(len(every)), key=lambda index: weight(every[index]), reverse=True)[:sentences]
    return ' '.join(every[index] for index in sorted(best))


def words(text: str) -> list[str]:
    return re.findall(r'\w{4,}', text.lower())


class Summarizer(AgentExecutor):
    def __init__(self, folder: Path) -> None:
        self.answers = folder / 'answers.log'
        self.hold = folder / 'hold'

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task = context.current_task
        if task is None:
            task = new_task_from_user_message(context.message)
            await event_queue.enqueue_event(task)
            await ask(TaskUpdater(event_queue, task.id, task.context_id), 'How many sentences may the summary have?')
            return
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        answer = context.get_user_input().strip()
        with self.answers.open('a') as log:
            print(answer, file=log)
        if not re.fullmatch('[1-9][0-9]?', answer):
            await ask(updater, f'"{answer[:100]}" is no number from 1 to 99. How many sentences?')
            return
        await updater.start_work(updater.new_agent_message([new_text_part('reading')]))
        while self.hold.exists():
            await asyncio.sleep(0.02)
        summary = summarize(get_message_text(task.history[0]), int(answer))
        await updater.add_artifact([new_text_part(summary)], name='summary')
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


async def ask(updater: TaskUpdater, question: str) -> None:
    await updater.requires_input(updater.new_agent_message([new_text_part(question)]))


def create_app(url: str, folder: Path) -> Starlette:
    card = AgentCard(
        name='summarizer',
        description='Summarizes texts.',
        version='1.0.0',
        supported_interfaces=[AgentInterface(url=url, protocol_binding='JSONRPC', protocol_version='1.0')],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=['text/plain'],
        default_output_modes=['text/plain'],
        skills=[AgentSkill(id='summarize', name='Summarize', description='Shortens a text.', tags=['text'])],
    )
    store = DatabaseTaskStore(create_async_engine(f'sqlite+aiosqlite:///{folder / "tasks.db"}'))
    handler = DefaultRequestHandler(Summarizer(folder), store, card)
    return Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, '/')])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--port', type=int, default=0)
    arguments = parser.parse_args()
    # Bound before the card is made, which names the port.
    listener = socket.create_server(('127.0.0.1', arguments.port))
    url = f'http://127.0.0.1:{listener.getsockname()[1]}'
    print(url, flush=True)
    uvicorn.Server(uvicorn.Config(create_app(url, arguments.folder), log_level='info')).run(sockets=[listener])


if __name__ == '__main__':
    main()
