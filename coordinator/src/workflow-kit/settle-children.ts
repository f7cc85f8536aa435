import { invoke } from './invoke.ts';
import type { OpenChild } from './open-work.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';

/** Cancels open children by their ids. */
export async function* cancelChildren(run: Run, works: readonly OpenChild[], key: string, reason: string): Step<void> {
  // A cancel that overtook the opening would find nothing to cancel.
  for (;;) {
    const opening = works.flatMap(({ activity }) => (activity && !activity.leaf.isComplete ? [activity.leaf] : []));
    if (opening.length === 0) break;
    yield opening;
  }
  const children: { childId: string; started: boolean }[] = [];
  for (const { childId, activity, instance } of works) {
    const opened = await activity?.read();
    if (instance?.isComplete || !opened || !('output' in opened) || opened.output.status !== 'open') continue;
    children.push({ childId, started: instance !== undefined });
  }
  if (children.length > 0) yield* invoke(run, 'cancelChildren', `${key}.children`, { children, reason });
}

/**
 * Waits for canceled children without a limit: what they did can only be undone once they have said what it was, and
 * they have limits of their own.
 */
export async function* awaitChildren(run: Run, works: readonly OpenChild[]): Step<void> {
  for (const work of works) {
    while (work.instance && !work.instance.isComplete) yield [work.instance];
    run.open.delete(work);
  }
}
