/** Where the work items of one worker go; the transport behind it is not the engine's business. */
export interface WorkerStream {
  send(workItem: Uint8Array): void;
  /** Ends the stream in an orderly way, which a worker answers by connecting again later. */
  end(): void;
}

export interface WorkerLimits {
  /** Turns and activities together. */
  readonly maxUnacked: number;
  /** Fewer, so that slow activities never keep turns from being delivered. */
  readonly maxUnackedActivities: number;
}

/** A connected worker and how much it has not answered yet. */
export class Worker {
  readonly stream: WorkerStream;
  readonly #limits: WorkerLimits;
  #turns = 0;
  #activities = 0;

  constructor(stream: WorkerStream, limits: WorkerLimits) {
    this.stream = stream;
    this.#limits = limits;
  }

  get unacked(): number {
    return this.#turns + this.#activities;
  }

  canTakeTurn(): boolean {
    return this.unacked < this.#limits.maxUnacked;
  }

  canTakeActivity(): boolean {
    return this.canTakeTurn() && this.#activities < this.#limits.maxUnackedActivities;
  }

  turnSent(): void {
    this.#turns += 1;
  }

  turnAnswered(): void {
    this.#turns -= 1;
  }

  activitySent(): void {
    this.#activities += 1;
  }

  activityAnswered(): void {
    this.#activities -= 1;
  }
}
