import type { ClientOperations } from '../engine/client-operations.ts';
import type { Engine } from '../engine/engine.ts';
import { WorkflowError } from '../engine/workflow-error.ts';
import { SidecarError } from '../sidecar-error.ts';
import { HttpError, noSuchRoute, noSuchWorkflow } from './http-error.ts';
import { checkNewInstanceId } from './instance-id.ts';
import { checkJsonObject, TextError, toText } from './read-body.ts';
import { toWorkflowView } from './workflow-view.ts';

/** A request below `/workflows/<component>/`. daprd ignores which component is named, and so do we. */
export interface WorkflowCall {
  readonly method: string;
  /** What follows the component: an id or name, a verb, an event name. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly readBody: () => Promise<Buffer>;
}

export interface Reply {
  readonly status: number;
  /** An object becomes JSON, a string plain text. */
  readonly body?: object | string;
}

const CONTROL_VERBS = ['terminate', 'pause', 'resume', 'purge'] as const;

type ControlVerb = (typeof CONTROL_VERBS)[number];

const isControlVerb = (verb: string | undefined): verb is ControlVerb => CONTROL_VERBS.some((known) => known === verb);

const ACCEPTED: Reply = { status: 202, body: {} };

/**
 * Dapr's HTTP workflow API. Unlike gRPC's, its calls return as soon as what was asked for is on disk. Statuses, codes and
 * words are those that daprd 1.18.2 was seen to answer.
 */
export class WorkflowApi {
  readonly #engine: Engine;
  readonly #operations: ClientOperations;

  constructor(engine: Engine, operations: ClientOperations) {
    this.#engine = engine;
    this.#operations = operations;
  }

  /** @throws HttpError */
  async handle(call: WorkflowCall): Promise<Reply> {
    const [subject = '', verb, eventName] = call.segments;
    const { length } = call.segments;
    if (call.method === 'GET' && length === 1) return this.#get(subject);
    if (call.method !== 'POST') throw noSuchRoute();
    if (verb === 'raiseEvent' && eventName !== undefined && length === 3) {
      return this.#raise(subject, eventName, await call.readBody());
    }
    if (length !== 2) throw noSuchRoute();
    if (verb === 'start') return this.#start(subject, call.query.get('instanceID') ?? '', await call.readBody());
    if (!isControlVerb(verb)) throw noSuchRoute();
    checkJsonObject(await call.readBody());
    return this.#control(verb, subject);
  }

  #get(id: string): Promise<Reply> {
    const { database, instances } = this.#engine.store;
    return database.read(() => {
      const instance = this.#operations.get(id);
      if (instance === undefined) throw noSuchWorkflow(id);
      return { status: 200, body: toWorkflowView(instance, instances.payloads(instance.run)) };
    });
  }

  async #start(name: string, id: string, body: Buffer): Promise<Reply> {
    if (id !== '') checkNewInstanceId(id);
    const words = `error starting workflow '${name}': unable to start workflow: failed to start workflow`;
    const instanceID = await failingAs('ERR_START_WORKFLOW', words, () =>
      this.#operations.create({
        id,
        name,
        input: toText(body),
        executionId: undefined,
        version: undefined,
        scheduledAt: undefined,
      }),
    );
    return { status: 202, body: { instanceID } };
  }

  async #raise(id: string, eventName: string, body: Buffer): Promise<Reply> {
    const cause = `failed to raise event ${eventName} on workflow ${id}: failed to raise event`;
    await failingAs('ERR_RAISE_EVENT_WORKFLOW', `error raising event on workflow '${id}': ${cause}`, () =>
      this.#operations.raiseEvent(id, eventName, toText(body)),
    );
    return ACCEPTED;
  }

  async #control(verb: ControlVerb, id: string): Promise<Reply> {
    const operations = this.#operations;
    switch (verb) {
      case 'terminate': {
        const cause = `failed to terminate workflow ${id}: failed to submit termination request:`;
        await failingAs('ERR_TERMINATE_WORKFLOW', `error terminating workflow '${id}': ${cause}`, () =>
          orMissing(id, operations.terminate(id, undefined, true)),
        );
        return ACCEPTED;
      }
      case 'purge': {
        const cause = `failed to Purge workflow ${id}: failed to purge workflow state`;
        await failingAs('ERR_PURGE_WORKFLOW', `error purging workflow ${id}: ${cause}`, () =>
          orMissing(id, operations.purge(id, { recursive: true, force: false })),
        );
        return ACCEPTED;
      }
      case 'pause': {
        const cause = `failed to pause workflow ${id}: failed to suspend workflow`;
        await failingAs('ERR_PAUSE_WORKFLOW', `error pausing workflow ${id}: ${cause}`, () =>
          operations.requestSuspend(id, undefined),
        );
        return ACCEPTED;
      }
      case 'resume': {
        const cause = `failed to resume workflow ${id}: failed to resume workflow`;
        await failingAs('ERR_RESUME_WORKFLOW', `error resuming workflow ${id}: ${cause}`, () =>
          operations.requestResume(id, undefined),
        );
        return ACCEPTED;
      }
      default:
        return verb satisfies never;
    }
  }
}

/** For the two verbs that daprd answers with 404 when there is no such instance; to the others that is a 500. */
async function orMissing(id: string, operation: Promise<unknown>): Promise<void> {
  try {
    await operation;
  } catch (error) {
    throw error instanceof WorkflowError && error.code === 'NOT_FOUND' ? noSuchWorkflow(id) : error;
  }
}

/** What the engine refuses, said as daprd says it. Anything else is an error of ours and stays one. */
async function failingAs<T>(errorCode: string, words: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    const reason = describeRefusal(cause);
    if (reason === undefined) throw cause;
    throw new HttpError(500, errorCode, `${words}: ${reason}`, { cause });
  }
}

function describeRefusal(error: unknown): string | undefined {
  if (error instanceof WorkflowError) {
    return error.code === 'ALREADY_EXISTS' ? `rpc error: code = AlreadyExists desc = ${error.message}` : error.message;
  }
  return error instanceof SidecarError || error instanceof TextError ? error.message : undefined;
}
