import { all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { type CallRow, query } from '../store/schema.ts';
import type { Peer } from '../directory/peer.ts';
import { AnswerDelivery } from './answer-delivery.ts';
import { CallSender, type SendResult, wakeCallsOf } from './call-sender.ts';
import { CallStreams } from './call-streams.ts';
import { callRef, keyOf, never } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import { CallLooks } from './call-looks.ts';
import { moveCalls } from './move-calls.ts';
import { PeerPoller } from './peer-poller.ts';

/**
 * The one owner of all calls that are not settled. What is due (to be sent, cancelled, looked at, decided) is found by
 * its row; besides, open calls are followed by a list per peer and, where someone watches, by streams. Whatever of this
 * fails or is missing, another of them finishes the call, and a restart goes on from the rows. A parked call is a row
 * and nothing else.
 */

export interface Watcher {
  start(): Promise<void>;
  close(): Promise<void>;
  /** Sends a call whose row was just written, and returns what became of it within the linger. */
  send(row: CallRow): Promise<SendResult>;
  /** What becomes of a call that is being sent right now. */
  underWay(row: CallRow): Promise<SendResult> | undefined;
}

const maxConcurrent = 64;
const batch = 256;
const idleMs = 1_000;

export function createWatcher(deps: WatcherDeps): Watcher {
  return new CallWatcher(deps);
}

class CallWatcher implements Watcher {
  readonly #deps: WatcherDeps;
  readonly #closing = new AbortController();
  readonly #sender: CallSender;
  readonly #looks: CallLooks;
  readonly #streams: CallStreams;
  readonly #answers: AnswerDelivery;
  readonly #pollers = new Map<string, PeerPoller>();
  readonly #unlisten: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;
  #again = false;

  constructor(deps: WatcherDeps) {
    const { signal } = this.#closing;
    this.#deps = { ...deps, onOpen: (row) => this.#opened(row) };
    this.#sender = new CallSender(this.#deps, signal);
    this.#looks = new CallLooks(this.#deps, signal);
    this.#streams = new CallStreams(this.#deps, this.#looks, signal);
    this.#answers = new AnswerDelivery(this.#deps, signal);
  }

  async start(): Promise<void> {
    const { database, directory, signals } = this.#deps;
    const origins = await database.write(recover);
    this.#unlisten.push(
      signals.calls.listen(() => this.#wake()),
      directory.up.listen((peer) => {
        database.write(() => wakeCallsOf(peer)).then(() => this.#peerUp(peer.origin), this.#report);
        this.#move(peer);
      }),
    );
    // Those that were up before this listened.
    for (const { url } of directory.list()) this.#move(directory.at(url));
    for (const origin of origins) this.#peerUp(origin);
    this.#wake();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const unlisten of this.#unlisten) unlisten();
    clearTimeout(this.#timer);
    await this.#pass;
    await Promise.all([
      this.#sender.drain(),
      this.#looks.drain(),
      this.#answers.drain(),
      this.#streams.close(),
      ...[...this.#pollers.values()].map((poller) => poller.close()),
    ]);
  }

  send(row: CallRow): Promise<SendResult> {
    return this.#sender.send(row, { raise: false, fresh: true });
  }

  underWay(row: CallRow): Promise<SendResult> | undefined {
    return this.#sender.underWay(row);
  }

  #move(peer: Peer | undefined): void {
    if (!peer) return;
    const { signal } = this.#closing;
    moveCalls(this.#deps, peer, signal).then((hasMoved) => hasMoved && this.#peerUp(peer.origin), this.#report);
  }

  #peerUp(origin: string): void {
    this.#poller(origin)?.wake();
    this.#wake();
  }

  #opened(row: CallRow): void {
    if (this.#closing.signal.aborted) return;
    this.#poller(row.peer_url ?? '')?.wake();
    if (this.#deps.settings.streams) this.#streams.opened(row);
  }

  #poller(origin: string): PeerPoller | undefined {
    const known = this.#pollers.get(origin);
    if (known || !this.#deps.settings.polling) return known;
    const peer = this.#deps.directory.at(origin);
    if (!peer) return undefined;
    const poller = new PeerPoller(this.#deps, peer, this.#looks, this.#closing.signal);
    this.#pollers.set(origin, poller);
    return poller;
  }

  #wake(): void {
    if (this.#closing.signal.aborted) return;
    if (this.#pass) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#pass = this.#run()
      .catch(this.#report)
      .finally(() => {
        this.#pass = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#wake();
      });
  }

  readonly #report = (err: unknown): void => {
    if (this.#closing.signal.aborted) return;
    this.#deps.logger.error({ err }, 'looking after the calls failed');
    this.#timer = setTimeout(() => this.#wake(), idleMs);
  };

  async #run(): Promise<void> {
    const { database } = this.#deps;
    const answersAt = await this.#answers.pass();
    const due = await database.read(() => dueCalls(Date.now()));
    for (const row of due) {
      if (this.#sender.size + this.#looks.size >= maxConcurrent) break;
      if (!this.#sender.underWay(row) && !this.#looks.isLooking(row)) this.#advance(row);
    }
    const next = await database.read(() => nextDue(Date.now()));
    if (this.#closing.signal.aborted) return;
    const delayMs = Math.min(next ?? Infinity, answersAt ?? Infinity, Date.now() + idleMs) - Date.now();
    this.#timer = setTimeout(() => this.#wake(), Math.max(delayMs, 5));
  }

  #advance(row: CallRow): void {
    const done = row.state === 'open' ? this.#looks.look(row) : this.#sender.send(row, { raise: true, fresh: false });
    done
      .catch((err: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#deps.logger.error({ err, call: callRef(keyOf(row)), runId: row.run_id }, 'a call could not be moved on');
      })
      .finally(() => this.#wake());
  }
}

/** After a start nothing is under way: every call that waits for time is due. */
function* recover(): Unit<string[]> {
  yield* run(
    query
      .updateTable('calls')
      .set({ next_at: Date.now(), tries: 0 })
      .where('state', '<>', 'settled')
      .where('next_at', '<', never)
      .compile(),
  );
  const rows = yield* all(
    query.selectFrom('calls').select('peer_url').distinct().where('state', '=', 'open').compile(),
  );
  return rows.flatMap(({ peer_url }) => peer_url ?? []);
}

const selectDue = statement<{ now: number }, CallRow>((value) =>
  query
    .selectFrom('calls')
    .selectAll()
    .where('state', '<>', 'settled')
    .where('next_at', '<=', value('now'))
    .orderBy('next_at')
    .limit(batch),
);
const selectNext = statement<{ now: number }, { next_at: number }>((value) =>
  query
    .selectFrom('calls')
    .select('next_at')
    .where('state', '<>', 'settled')
    .where('next_at', '>', value('now'))
    .orderBy('next_at')
    .limit(1),
);

function* dueCalls(now: number): Unit<readonly CallRow[]> {
  return yield* all(selectDue({ now }));
}

/** When the next call is due that is not due yet. */
function* nextDue(now: number): Unit<number | undefined> {
  const row = yield* first(selectNext({ now }));
  return row?.next_at;
}
