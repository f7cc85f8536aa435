import type { MeshError } from '@daca-mesh/protocol';

/**
 * One line of execution of a run: the run itself, a branch of an `all`, a compensation. It counts its own steps, so
 * that ids do not depend on what other branches do, and it can be aborted with all branches below it.
 */
export class Branch {
  readonly path: string;
  readonly #parent: Branch | undefined;
  /** Where an item of a map is worked on in a branch of the run: what it does is no business of the others. */
  isItem = false;
  #steps = 0;
  #abortion: MeshError | undefined;

  constructor(path: string, parent?: Branch) {
    this.path = path;
    this.#parent = parent;
  }

  /** The path of this branch's next step. */
  nextPath(): string {
    const step = this.#steps++;
    return this.path === '' ? `${step}` : `${this.path}/${step}`;
  }

  /** From now on every step of this branch and of those below is refused with the error. */
  abort(error: MeshError): void {
    this.#abortion ??= error;
  }

  /** Why steps are refused here; undefined while they are not. */
  get refusal(): MeshError | undefined {
    return this.#abortion ?? this.#parent?.refusal;
  }

  /** Whether this is a line of execution of its own, not a branch of an `all`. */
  get isRoot(): boolean {
    return this.#parent === undefined;
  }

  /** The branch of the item of a map that this belongs to, if any. */
  get item(): Branch | undefined {
    return this.isItem ? this : this.#parent?.item;
  }

  /** Whether this is the given branch or lies below it. */
  isWithin(other: Branch): boolean {
    return this === other || (this.#parent?.isWithin(other) ?? false);
  }
}
