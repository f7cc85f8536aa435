import { createHmac } from 'node:crypto';

/** What is signed; all of it is in the request, so that a receiver can check it. */
export interface SignedMessage {
  id: string;
  timestampSeconds: number;
  body: string;
}

/** The bytes of a secret: text, or base64 after `whsec_`. */
export const webhookKey = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);

/**
 * The headers of Standard Webhooks (https://www.standardwebhooks.com): id, time, and an HMAC over both and the body.
 * @param secret As text, or base64 after `whsec_`.
 */
export function webhookHeaders(message: SignedMessage, secret: string | undefined): Record<string, string> {
  const { id, timestampSeconds, body } = message;
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(timestampSeconds) };
  if (secret === undefined) return headers;
  const signature = createHmac('sha256', webhookKey(secret))
    .update(`${id}.${timestampSeconds}.${body}`)
    .digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}
