/**
 * Why the sidecar could not start or had to stop.
 *
 * - `DATABASE_LOCKED`: another process runs a sidecar on this database.
 * - `DATABASE_VERSION`: the file was written by a newer version of this package, or is not a sidecar database.
 * - `DATABASE_UNAVAILABLE`: the file or its folder cannot be created, read or written (permissions, disk full, not SQLite).
 * - `DATABASE_FAILED`: a commit failed. What is on disk is consistent; this process has to be restarted to go on.
 * - `ADDRESS_UNAVAILABLE`: host and port cannot be listened on.
 * - `TOKEN_REQUIRED`: the host is not loopback and no `apiToken` is set.
 * - `CLOSED`: the sidecar is closed or closing.
 */
export type SidecarErrorCode =
  | 'DATABASE_LOCKED'
  | 'DATABASE_VERSION'
  | 'DATABASE_UNAVAILABLE'
  | 'DATABASE_FAILED'
  | 'ADDRESS_UNAVAILABLE'
  | 'TOKEN_REQUIRED'
  | 'CLOSED';

/** The only error class the package throws to its caller. Test `code`, not the class. */
export class SidecarError extends Error {
  readonly code: SidecarErrorCode;

  constructor(code: SidecarErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SidecarError';
    this.code = code;
  }
}
