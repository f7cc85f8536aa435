import type { RowId } from './rows.ts';

export interface Difference {
  readonly row: RowId;
  readonly what: string;
  readonly embedded: string;
  readonly daprd: string;
  readonly reason: string;
  /** The Dapr release that does as the embedded engine does. */
  readonly fixedIn?: string;
}

/** Every place where the two engines are known to differ. A test asserts what each of them does. */
export const differences = {
  'reason-of-terminated-child': {
    row: 'child-fails',
    what: 'A parent whose child was terminated',
    embedded: 'catches an error that says so',
    daprd: 'catches an error without a reason',
    reason: 'daprd sends no failure details; with them a program that prints the error says what happened.',
  },
  'child-id-of-former-generation': {
    row: 'child-id-taken',
    what: 'A child that takes the id of a child of the generation before, which still lives',
    embedded: 'fails: the id is taken',
    daprd: 'never ends: its start is taken for a repetition',
    reason: 'A defect of daprd. The default ids of children repeat in every generation.',
    fixedIn: '1.18.4',
  },
  'purge-by-filter': {
    row: 'purge',
    what: 'A purge by time and status',
    embedded: 'deletes what the filter chooses',
    daprd: 'is refused',
    reason: 'Useful without a command line of Dapr, which purges one by one.',
  },
  'unknown-call': {
    row: 'rpcs',
    what: 'A gRPC method that does not exist',
    embedded: 'UNIMPLEMENTED (12)',
    daprd: 'UNKNOWN (2): it wants to pass the call on to another app',
    reason: 'The embedded engine calls no other apps.',
  },
  'result-of-former-generation': {
    row: 'continue-as-new',
    what: 'The result of an activity that the generation before had asked for',
    embedded: 'is dropped',
    daprd: 'reaches the new generation, where it may be taken for that of an activity with the same number',
    reason: 'A defect of daprd.',
  },
  'execution-id-of-turns': {
    row: 'execution-id',
    what: 'The execution id of a work item for a turn',
    embedded: 'is there',
    daprd: 'is missing; only the event executionStarted has it',
    reason: 'SDKs that make ids of it need it there.',
    fixedIn: '1.18.4',
  },
  'sent-event': {
    row: 'send-event',
    what: 'The action of sending an event to another instance',
    embedded: 'delivers it; without effect if there is no such instance',
    daprd: 'is not known: the turn is tried again for ever',
    reason: 'A part of the protocol that SDK 3.18 does not use and its successor has.',
  },
  'raise-without-worker': {
    row: 'raise-answers',
    what: 'An event raised while no worker is connected',
    embedded: 'is stored, and delivered when a worker comes',
    daprd: 'is refused with FAILED_PRECONDITION (9) after 5 s, and not stored',
    reason: 'The embedded engine has no other replica whose worker could be meant. Callers retry code 9.',
  },
  'empty-action': {
    row: 'actions',
    what: 'An answer of a worker with an action that is empty',
    embedded: 'fails the instance',
    daprd: 'ends the daprd process',
    reason: 'A defect of daprd. No SDK sends one.',
  },
  'oversize-result': {
    row: 'message-size',
    what: 'An activity whose result is larger than a message may be',
    embedded: 'fails',
    daprd: 'never ends: the worker cannot hand in its result',
    reason: 'A failure can be seen and handled.',
  },
  'dropped-work': {
    row: 'flow-control',
    what: 'A fan-out of 150 one-second activities with the SDK as it comes',
    embedded: 'completes: at most 100 items are out per worker',
    daprd: 'hangs: SDK 3.18 executes 10, queues 100 and silently drops 40',
    reason: 'daprd sends whatever there is. The coordinator lifts the limits of its worker.',
  },
  'text-of-not-found': {
    row: 'http',
    what: 'The text of 404 for the termination or purge of an unknown instance',
    embedded: 'ends with the id',
    daprd: 'goes on with %!(EXTRA *fmt.wrapError=…)',
    reason: 'A slip in formatting.',
  },
  'purge-is-complete': {
    row: 'purge',
    what: 'The field isComplete of the answer to a purge',
    embedded: 'is true',
    daprd: 'is not set',
    reason: 'The protocol has it, and the embedded engine knows it.',
  },
  'end-of-streams': {
    row: 'streams',
    what: 'The streams of workers when the engine is stopped',
    embedded: 'end cleanly, so that the SDK connects again by itself',
    daprd: 'end with an error, which ends the worker of SDK 3.18 for good',
    reason: 'A worker that lost its engine should come back. The coordinator supervises its worker for both.',
  },
  'waiting-at-shutdown': {
    row: 'wait-for',
    what: 'A call that waits for an instance when the engine is stopped',
    embedded: 'UNAVAILABLE (14)',
    daprd: 'CANCELLED (1)',
    reason: 'Clients try again on 14; 1 says that they gave up themselves.',
  },
  'second-suspend': {
    row: 'suspend',
    what: 'A second suspend of a suspended instance',
    embedded: 'is swallowed',
    daprd: 'reaches the workflow',
    reason: 'With it, an event and a resume, SDK 3.18 loops for ever and blocks its process.',
  },
  'terminate-action': {
    row: 'detached',
    what: 'The action of terminating another instance',
    embedded: 'terminates it',
    daprd: 'is not known: the turn is tried again for ever',
    reason: 'A part of the protocol that SDK 3.18 does not use.',
  },
  'raise-during-turn': {
    row: 'raise-answers',
    what: 'An event raised while the instance has a turn',
    embedded: 'is answered at once',
    daprd: 'is answered when the turn is over',
    reason: 'The answer says that it is stored, for which the embedded engine need not wait.',
  },
} as const satisfies Record<string, Difference>;

export type DifferenceId = keyof typeof differences;
