import type { Instruction } from './instruction.ts';

/**
 * What the engine is to do, without saying how: an instance is a queue of events and what its workflow made of them. A kill
 * changes nothing but that a turn which was out is given anew, with what has come since.
 */

export type Status = 'pending' | 'running' | 'suspended' | 'completed' | 'terminated';
export type WorkerMood = 'prompt' | 'busy' | 'stuck' | 'away';
export type Refusal = 'ALREADY_EXISTS' | 'NOT_FOUND' | 'NOT_COMPLETED';

/** What a turn makes something of: a result is a note from the start. */
type Happening = Instruction | { readonly note: string };
type Event = Happening | 'start' | 'suspend' | 'resume';

interface Instance {
  readonly id: string;
  readonly parent: { readonly instance: Instance; readonly generation: number } | undefined;
  status: Status;
  generation: number;
  suspendRequested: boolean;
  queue: Event[];
  /** How much of the queue a worker was given that does not answer. */
  out: number | undefined;
  /** Raised events that came while it was suspended. */
  held: Happening[];
  notes: string[];
  sleeping: number;
  working: { readonly text: string; readonly generation: number }[];
  children: Instance[];
}

export interface Seen {
  readonly status: Status;
  readonly notes: readonly string[];
}

const isOver = ({ status }: Instance): boolean => status === 'completed' || status === 'terminated';

export class Model {
  readonly #instances = new Map<string, Instance>();
  /** The work that was done, by its text. */
  readonly done: string[] = [];
  /** `prompt` answers at once; `busy` only turns; `stuck` takes work and does not answer; `away` is not connected. */
  worker: WorkerMood = 'prompt';

  start(id: string): Refusal | undefined {
    const existing = this.#instances.get(id);
    if (existing !== undefined && hasLiveMember(existing)) return 'ALREADY_EXISTS';
    this.#create(id, undefined);
    return undefined;
  }

  raise(id: string, instruction: Instruction): Refusal | undefined {
    return this.#change(id, (instance) => instance.queue.push(instruction));
  }

  suspend(id: string, suspended: boolean): Refusal | undefined {
    return this.#change(id, (instance) => {
      if (instance.suspendRequested === suspended) return;
      instance.suspendRequested = suspended;
      instance.queue.push(suspended ? 'suspend' : 'resume');
    });
  }

  terminate(id: string, recursive: boolean): Refusal | undefined {
    return this.#change(id, (instance) => this.#terminate(instance, recursive));
  }

  purge(id: string): Refusal | undefined {
    const instance = this.#instances.get(id);
    if (instance === undefined) return 'NOT_FOUND';
    if (!isOver(instance)) return 'NOT_COMPLETED';
    this.#instances.delete(id);
    return undefined;
  }

  /** Enough time passes for everybody who sleeps to wake. */
  passTime(): void {
    for (const instance of this.#instances.values()) {
      for (; instance.sleeping > 0; instance.sleeping -= 1) instance.queue.push({ note: 'slept' });
    }
  }

  /** Everything that can happen by itself does. */
  settle(): void {
    if (this.worker === 'stuck') this.#handOut();
    while (this.worker === 'prompt' || this.worker === 'busy') {
      const instances = [...this.#instances.values()];
      const next = instances.find((instance) => instance.queue.length > 0 && !isOver(instance));
      if (next !== undefined) this.#turn(next);
      else if (this.worker === 'busy' || !instances.some((instance) => this.#work(instance))) return;
    }
  }

  kill(): void {
    for (const instance of this.#instances.values()) instance.out = undefined;
  }

  see(): Record<string, Seen> {
    return Object.fromEntries([...this.#instances].map(([id, { status, notes }]) => [id, { status, notes }]));
  }

  #create(id: string, parent: Instance['parent']): Instance {
    const fresh = {
      generation: 0,
      out: undefined,
      suspendRequested: false,
      held: [],
      notes: [],
      sleeping: 0,
      working: [],
      children: [],
    };
    const instance: Instance = { ...fresh, id, parent, status: 'pending', queue: ['start'] };
    this.#instances.set(id, instance);
    return instance;
  }

  #handOut(): void {
    for (const instance of this.#instances.values()) {
      if (instance.queue.length > 0) instance.out ??= instance.queue.length;
    }
  }

  #change(id: string, change: (instance: Instance) => void): Refusal | undefined {
    const instance = this.#instances.get(id);
    if (instance === undefined) return 'NOT_FOUND';
    if (!isOver(instance)) change(instance);
    return undefined;
  }

  #terminate(instance: Instance, recursive: boolean): void {
    if (isOver(instance)) return;
    this.#end(instance, 'terminated');
    if (recursive) for (const child of instance.children) this.#terminate(child, true);
  }

  #end(instance: Instance, status: 'completed' | 'terminated'): void {
    Object.assign(instance, { status, queue: [], out: undefined, sleeping: 0 });
    const { parent } = instance;
    if (parent === undefined || isOver(parent.instance) || parent.generation !== parent.instance.generation) return;
    if (this.#instances.get(parent.instance.id) !== parent.instance) return;
    parent.instance.queue.push({ note: `${instance.id} ${status}` });
  }

  #turn(instance: Instance): void {
    const batch = instance.queue.splice(0, instance.out ?? Infinity);
    instance.out = undefined;
    let suspended = instance.status === 'suspended';
    instance.status = suspended ? 'suspended' : 'running';
    const asked: Instruction[] = [];
    const ready: Happening[] = [];
    for (const event of batch) {
      if (event === 'start') continue;
      if (event === 'suspend') suspended = true;
      else if (event === 'resume') {
        suspended = false;
        ready.push(...instance.held.splice(0));
      } else if (suspended) instance.held.push(event);
      else ready.push(event);
    }
    instance.status = suspended ? 'suspended' : 'running';
    for (const [at, event] of ready.entries()) {
      if ('note' in event) instance.notes.push(event.note);
      else if (event.do === 'note') instance.notes.push(event.text);
      else if (event.do === 'again') {
        const carried = [...ready.slice(at + 1), ...instance.held].filter((each) => 'do' in each);
        Object.assign(instance, { held: [], sleeping: 0, children: [], status: 'running' });
        const later = instance.queue.filter((each) => typeof each === 'string' || 'do' in each);
        instance.queue = ['start', ...(suspended ? ['suspend' as const] : []), ...carried, ...later];
        instance.generation += 1;
        return;
      } else if (event.do === 'end') {
        for (const action of asked) this.#act(instance, action);
        this.#end(instance, 'completed');
        return;
      } else asked.push(event);
    }
    for (const action of asked) this.#act(instance, action);
  }

  /** Work once begun is done, though nobody may be left to hear of it. */
  #work(instance: Instance): boolean {
    const finished = instance.working.splice(0);
    for (const { text, generation } of finished) {
      this.done.push(text);
      if (!isOver(instance) && generation === instance.generation) instance.queue.push({ note: `did ${text}` });
    }
    return finished.length > 0;
  }

  #act(instance: Instance, action: Instruction): void {
    if (action.do === 'work') {
      instance.working.push({ text: action.text, generation: instance.generation });
    } else if (action.do === 'sleep') instance.sleeping += 1;
    else if (action.do === 'child') {
      instance.children.push(this.#create(action.id, { instance, generation: instance.generation }));
    }
  }
}

function hasLiveMember(instance: Instance): boolean {
  return !isOver(instance) || instance.children.some(hasLiveMember);
}
