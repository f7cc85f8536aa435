import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether a caller may go on, given the `dapr-api-token` it sent. */
export type TokenCheck = (given: string | undefined) => boolean;

/** Compares in constant time, so that a token cannot be guessed from how long a refusal takes. No token: all may. */
export function createTokenCheck(apiToken: string | undefined): TokenCheck {
  if (apiToken === undefined) return () => true;
  const expected = sha256(apiToken);
  return (given) => given !== undefined && timingSafeEqual(sha256(given), expected);
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
