import type { Request, Response } from 'express';
import { extensionUris } from '../../extensions.ts';
import { MeshError } from '../../mesh-error.ts';
import type { HttpCall } from './operations.ts';

const knownExtensions = new Set<string>(Object.values(extensionUris));

/** What the operations need to know about a request; aborts when the connection is gone. */
export function callOf(request: Request, response: Response, caller: string): HttpCall {
  const controller = new AbortController();
  // Aborting costs more than the rest of this function, and nobody is left to hear it after the answer.
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  const lastEventId = request.get('last-event-id');
  return {
    caller,
    signal: controller.signal,
    after: lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined,
  };
}

/**
 * Checks the `A2A-Version` header or query parameter: 1.0 in any patch version. A request without one goes by its method
 * name, so nothing is to be refused here.
 * @throws MeshError `VERSION_NOT_SUPPORTED`.
 */
export function checkVersion(request: Request): void {
  const inQuery = request.query['A2A-Version'];
  const version = request.get('a2a-version') ?? (typeof inQuery === 'string' ? inQuery : '');
  if (version === '' || /^1\.0(?:\.\d+)?$/.test(version)) return;
  throw new MeshError('VERSION_NOT_SUPPORTED', `A2A ${version.slice(0, 20)} is not supported, 1.0 is`, {
    details: { supported: '1.0' },
  });
}

/** Echoes the extensions that were asked for and are supported (A2A specification, 4.6). */
export function activateExtensions(request: Request, response: Response): void {
  const requested = request.get('a2a-extensions');
  if (!requested) return;
  const active = requested.split(',').flatMap((uri) => (knownExtensions.has(uri.trim()) ? [uri.trim()] : []));
  if (active.length > 0) response.setHeader('A2A-Extensions', active.join(', '));
}
