import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Instruction } from './instruction.ts';
import type { Model, Refusal, Seen, WorkerMood } from './model.ts';
import type { Operation, System } from './system.ts';

type Step = fc.AsyncCommand<Model, System>;

/** Compares after every step. Events must be seen in order; results may come between them in any. */
async function agree(model: Model, system: System): Promise<void> {
  model.settle();
  await system.settle();
  deepStrictEqual(comparable(system.see()), comparable(model.see()));
  deepStrictEqual(system.done.toSorted(), model.done.toSorted());
}

function comparable(seen: Record<string, Seen>): unknown {
  return Object.fromEntries(
    Object.entries(seen).map(([id, { status, notes }]) => {
      const events = notes.filter((note) => note.startsWith('event'));
      const results = notes.filter((note) => !note.startsWith('event')).toSorted();
      return [id, { status, events, results }];
    }),
  );
}

function apply(model: Model, operation: Operation): Refusal | undefined {
  const { id } = operation;
  switch (operation.op) {
    case 'start':
      return model.start(id);
    case 'raise':
      return model.raise(id, operation.instruction);
    case 'suspend':
      return model.suspend(id, true);
    case 'resume':
      return model.suspend(id, false);
    case 'terminate':
      return model.terminate(id, operation.recursive);
    case 'purge':
      return model.purge(id);
    default:
      return operation satisfies never;
  }
}

class Perform implements Step {
  readonly #operation: Operation;
  readonly #killAt: 'before-commit' | 'after-commit' | undefined;

  constructor(operation: Operation, killAt: 'before-commit' | 'after-commit' | undefined) {
    this.#operation = operation;
    this.#killAt = killAt;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, system: System): Promise<void> {
    if (this.#killAt === undefined) {
      const refusal = await system.perform(this.#operation);
      strictEqual(refusal, apply(model, this.#operation));
    } else {
      if (this.#killAt === 'after-commit') apply(model, this.#operation);
      model.kill();
      await system.killDuring(this.#operation, this.#killAt);
    }
    await agree(model, system);
  }

  toString(): string {
    const { op, id, ...rest } = this.#operation;
    const kill = this.#killAt === undefined ? '' : ` killed ${this.#killAt}`;
    return `${op} ${id} ${Object.keys(rest).length === 0 ? '' : JSON.stringify(rest)}${kill}`;
  }
}

class Happen implements Step {
  readonly #what: WorkerMood | 'kill' | 'time passes';

  constructor(what: WorkerMood | 'kill' | 'time passes') {
    this.#what = what;
  }

  /** A turn that is out keeps the time at which it was handed out, which is more than the model wants to know. */
  check({ worker }: Readonly<Model>): boolean {
    return this.#what !== 'time passes' || worker === 'prompt' || worker === 'busy';
  }

  async run(model: Model, system: System): Promise<void> {
    if (this.#what === 'kill') {
      model.kill();
      await system.kill();
    } else if (this.#what === 'time passes') {
      model.passTime();
      await system.passTime();
    } else {
      model.worker = this.#what;
      system.setMood(this.#what);
    }
    await agree(model, system);
  }

  toString(): string {
    return this.#what;
  }
}

const ids = ['a', 'b', 'c'];

/** Children get ids of their own, so that which of two comes first does not matter. */
function instructions(): fc.Arbitrary<Instruction> {
  const text = fc.nat({ max: 999_999 }).map((n) => `event ${n}`);
  const work = fc.nat({ max: 999_999 }).map((n) => `work ${n}`);
  const child = fc.nat({ max: 999_999_999 }).map((n) => `child ${n}`);
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('note' as const), text }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('work' as const), text: work }) },
    { weight: 2, arbitrary: fc.constant({ do: 'sleep' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('child' as const), id: child }) },
    { weight: 2, arbitrary: fc.constant({ do: 'again' as const }) },
    { weight: 1, arbitrary: fc.constant({ do: 'end' as const }) },
  );
}

/** Sequences of everything that may happen to an engine. */
export function steps(maxCommands: number): fc.Arbitrary<Iterable<Step>> {
  const id = fc.constantFrom(...ids);
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant('start' as const), id }) },
    { weight: 10, arbitrary: fc.record({ op: fc.constant('raise' as const), id, instruction: instructions() }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('suspend' as const, 'resume' as const), id }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('terminate' as const), id, recursive: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('purge' as const), id }) },
  );
  const killAt = fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom('before-commit' as const, 'after-commit' as const) },
  );
  const moods = fc.constantFrom<(WorkerMood | 'kill' | 'time passes')[]>(
    'prompt',
    'prompt',
    'busy',
    'stuck',
    'away',
    'kill',
    'time passes',
    'time passes',
  );
  return fc.commands(
    [
      fc.tuple(operation, killAt).map(([what, when]) => new Perform(what, when)),
      fc.tuple(operation, killAt).map(([what, when]) => new Perform(what, when)),
      moods.map((what) => new Happen(what)),
    ],
    { maxCommands, size: 'max' },
  );
}
