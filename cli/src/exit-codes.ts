import { isMeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import { CommanderError } from 'commander';

/** What the exit code of every command means; `docs/cli.md` repeats it for users. */
export const exitCodes = {
  ok: 0,
  /** It ran, but did not end as asked for: a run or task that failed, a demonstration with the wrong result. */
  wrongOutcome: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** No mesh was found, or it does not answer. */
  unreachable: 3,
  /** The mesh, an agent or this machine said no. */
  refused: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const unreachable: ReadonlySet<MeshErrorCode> = new Set(['PEER_UNREACHABLE', 'UNAVAILABLE', 'DEADLINE_EXCEEDED']);
const wrongOutcome: ReadonlySet<MeshErrorCode> = new Set(['INTERNAL', 'INVALID_OUTPUT', 'PEER_FAILED', 'STORE_FAILED']);

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!isMeshError(error)) return exitCodes.wrongOutcome;
  if (error.code === 'CANCELED') return exitCodes.interrupted;
  if (unreachable.has(error.code)) return exitCodes.unreachable;
  return wrongOutcome.has(error.code) ? exitCodes.wrongOutcome : exitCodes.refused;
}
