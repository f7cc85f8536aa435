import { MeshError } from '../../mesh-error.ts';

/** Where a page of tasks ended. */
export interface PagePosition {
  statusAtMs: number;
  id: string;
}

/** Page tokens are opaque to clients (A2A specification, 3.1.4). */
export const toPageToken = ({ statusAtMs, id }: PagePosition): string =>
  Buffer.from(JSON.stringify([statusAtMs, id])).toString('base64url');

/** @throws MeshError `INVALID_ARGUMENT` for a token this agent did not make. */
export function fromPageToken(token: string): PagePosition {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(parsed) && typeof parsed[0] === 'number' && typeof parsed[1] === 'string') {
      return { statusAtMs: parsed[0], id: parsed[1] };
    }
  } catch {
    // Not JSON, so not ours: refused below.
  }
  throw new MeshError('INVALID_ARGUMENT', 'pageToken is not one of this agent', { details: { path: 'pageToken' } });
}
