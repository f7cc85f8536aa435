import { digest } from '@daca-mesh/protocol';
import {
  type ChildOutcome,
  type ChildRequest,
  eventNames,
  type ItemOutcome,
  type KitActivities,
  type MapItem,
  type OpenedChild,
  type RunEnd,
  type UndoRecord,
} from '../contract.ts';
import { type MapProgress, mapProgress } from '../map-progress.ts';

interface Child {
  request: ChildRequest;
  token: string;
  canceling: boolean;
  outcome: ChildOutcome | undefined;
  undos: UndoRecord[];
}

interface Item {
  index: number;
  input: unknown;
  lane: string | undefined;
  outcome: ItemOutcome | undefined;
  undos: UndoRecord[];
}

type Input<N extends keyof KitActivities> = Parameters<KitActivities[N]>[0];

/** How many outcomes or undos are given at a time: few, so that small tests need several. */
const portion = 7;

/** The rows of children and of the items of maps, in memory. */
export class ScriptedChildren {
  readonly children = new Map<string, Child>();
  readonly items = new Map<string, Item[]>();
  readonly #raise: (runId: string, name: string, payload: unknown) => void;

  constructor(raise: (runId: string, name: string, payload: unknown) => void) {
    this.#raise = raise;
  }

  open(parentToken: string, request: ChildRequest): OpenedChild | ChildOutcome {
    const { childId } = request;
    const token = digest([parentToken, childId]);
    const child = this.children.get(childId) ?? { request, token, canceling: false, outcome: undefined, undos: [] };
    this.children.set(childId, child);
    if (child.outcome) return child.outcome;
    child.token = token;
    return { status: 'open', token, seen: { below: 1, above: [] } };
  }

  end(childId: string): ChildOutcome {
    return this.#get(childId).outcome ?? this.finish(childId, failedEnd('the instance ended by itself'), []);
  }

  cancel({ children, reason }: Input<'cancelChildren'>): void {
    for (const { childId, started } of children) {
      const child = this.#get(childId);
      if (child.outcome) continue;
      if (!started) this.finish(childId, { status: 'canceled', reason, undone: [] }, []);
      else if (!child.canceling) this.#raise(childId, eventNames.cancel, { reason });
      child.canceling = true;
    }
  }

  finish(childId: string, end: RunEnd, undos: UndoRecord[]): ChildOutcome {
    const child = this.#get(childId);
    child.undos = undos;
    child.outcome ??= { ...outcomeOf(end), undoable: undos.length > 0 };
    return child.outcome;
  }

  handedUndos({ of, from }: Input<'handedUndos'>): { undos: UndoRecord[]; next?: number } {
    return part(
      'childId' in of ? (this.children.get(of.childId)?.undos ?? []) : this.#undosOfMap(of.mapId),
      from,
      'undos',
    );
  }

  putItems({ mapId, from, items }: Input<'putItems'>): void {
    const rows = this.items.get(mapId) ?? [];
    this.items.set(mapId, rows);
    for (const [position, input] of items.entries()) {
      const index = from + position;
      rows[index] ??= { index, input, lane: undefined, outcome: undefined, undos: [] };
    }
  }

  nextItem(
    { runId, mapId, settled, progress }: Input<'nextItem'>,
    tell: (progress: MapProgress) => void,
  ): { item?: MapItem } {
    const rows = this.items.get(mapId) ?? [];
    const done = settled && rows[settled.index];
    if (done && !done.outcome) {
      Object.assign(done, { outcome: settled.outcome, undos: settled.undos });
      const ended = rows.filter(({ outcome }) => outcome).length;
      const reached = progress === undefined ? undefined : mapProgress(ended, rows.length, progress);
      if (reached) tell(reached);
    }
    const next =
      rows.find((item) => item.lane === runId && !item.outcome) ?? rows.find((item) => item.lane === undefined);
    if (!next) return {};
    next.lane = runId;
    return { item: { index: next.index, input: next.input } };
  }

  itemOutcomes({ mapId, from }: Input<'itemOutcomes'>): Awaited<ReturnType<KitActivities['itemOutcomes']>> {
    const rows = this.items.get(mapId) ?? [];
    const outcomes = rows.map(({ index, outcome }) => outcome ?? fail(`item ${index} has no outcome`));
    return { ...part(outcomes, from, 'outcomes'), undoable: this.#undosOfMap(mapId).length > 0 };
  }

  #undosOfMap(mapId: string): UndoRecord[] {
    const rows = this.items.get(mapId) ?? [];
    const lanes = new Set(rows.flatMap(({ lane }) => lane ?? []));
    const records = [
      ...rows.flatMap(({ undos }) => undos),
      ...[...lanes].flatMap((lane) => this.children.get(lane)?.undos ?? []),
    ];
    return records.toSorted((a, b) => a.at - b.at);
  }

  #get(childId: string): Child {
    return this.children.get(childId) ?? fail(`no such child: ${childId}`);
  }
}

function part<T, N extends string>(list: T[], from: number, name: N): { [K in N]: T[] } & { next?: number } {
  const next = from + portion;
  // The one computed property.
  const items = { [name]: list.slice(from, next) } as { [K in N]: T[] };
  return { ...items, ...(next < list.length ? { next } : {}) };
}

type Outcome = { status: 'completed'; output: unknown } | { status: 'failed' | 'canceled'; failure: FailureOf };
type FailureOf = Extract<ChildOutcome, { status: 'failed' | 'canceled' }>['failure'];

function outcomeOf(end: RunEnd): Outcome {
  if (end.status === 'completed') return { status: 'completed', output: end.output };
  if (end.status === 'failed') return { status: 'failed', failure: end.failure };
  const failure = { code: 'CANCELED', message: end.reason ?? 'canceled', retryable: false };
  return { status: 'canceled', failure: { ...failure, details: { canceled: 'child' } } };
}

const failedEnd = (message: string): RunEnd => ({
  status: 'failed',
  failure: { code: 'INTERNAL', message, retryable: false },
  undone: [],
  notUndone: [],
});

function fail(message: string): never {
  throw new Error(message);
}
