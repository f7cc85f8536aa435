import { HttpError } from './http-error.ts';

const MAX_BYTES = 64;

/** daprd's rule for the ids of instances started over HTTP; over gRPC it accepts any. */
export function checkNewInstanceId(id: string): void {
  if (Buffer.byteLength(id) > MAX_BYTES) {
    const message = `workflow instance ID exceeds the max length of ${MAX_BYTES} characters`;
    throw new HttpError(400, 'ERR_INSTANCE_ID_TOO_LONG', message);
  }
  if (!/^[\p{L}\p{Nd}_-]+$/u.test(id)) {
    const message = `workflow instance ID '${id}' is invalid: only alphanumeric and underscore characters are allowed`;
    throw new HttpError(400, 'ERR_INSTANCE_ID_INVALID', message);
  }
}
