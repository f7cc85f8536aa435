import { A2A_ERROR_CODE } from '@a2a-js/sdk/errors';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { MeshError } from '../../mesh-error.ts';
import { activateExtensions, callOf, checkVersion } from './call-context.ts';
import { jsonRpcErrorBody, toWireError, type WireError } from './error-mapping.ts';
import { writeEventStream } from './event-stream.ts';
import type { Operation, OperationName, Operations } from './operations.ts';

/** What both HTTP bindings are made of. */
export interface BindingOptions {
  operations: Operations;
  callerOf: (request: Request) => string;
  keepaliveMs: number;
  logger: Logger;
}

/** The JSON-RPC binding (A2A specification, section 9): one URL, errors with HTTP status 200. */
export function createJsonRpcHandler(options: BindingOptions): RequestHandler {
  return async (request, response) => {
    const body: unknown = request.body;
    const id = idOf(body);
    try {
      const { method, params } = parseEnvelope(body);
      checkVersion(request);
      activateExtensions(request, response);
      const operation = findOperation(options.operations, method);
      const call = callOf(request, response, options.callerOf(request));
      if (operation.kind === 'stream') {
        await writeEventStream(response, operation.run(params, call), {
          keepaliveMs: options.keepaliveMs,
          wrap: (result) => ({ jsonrpc: '2.0', id, result }),
          wrapError: (error) => jsonRpcErrorBody(id, toWireError(error)),
        });
        return;
      }
      sendJson(response, 200, { jsonrpc: '2.0', id, result: (await operation.run(params, call)) ?? null });
    } catch (error) {
      const wire = toWireError(error);
      if (error instanceof InvalidRequest) {
        sendJson(response, 200, jsonRpcErrorBody(id, { ...wire, jsonRpcCode: A2A_ERROR_CODE.INVALID_REQUEST }));
        return;
      }
      if (wire.isInternal) options.logger.error({ err: error }, 'a request failed');
      sendJson(response, 200, jsonRpcErrorBody(id, wire));
    }
  };
}

/** A JSON answer without Express's ETag and content negotiation, which cost more than they give here. */
export function sendJson(response: Response, status: number, body: unknown, contentType = 'application/json'): void {
  if (response.headersSent || response.closed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': `${contentType}; charset=utf-8`,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** What a JSON-RPC client gets when the body could not even be read. */
export const unreadableBody = (error: MeshError, wire: WireError) =>
  jsonRpcErrorBody(
    null,
    error.code === 'INVALID_ARGUMENT' ? { ...wire, jsonRpcCode: A2A_ERROR_CODE.PARSE_ERROR } : wire,
  );

/** An envelope that is no JSON-RPC request; the code for it exists in JSON-RPC only. */
class InvalidRequest extends MeshError {
  constructor(message: string) {
    super('INVALID_ARGUMENT', message);
  }
}

function parseEnvelope(body: unknown): { method: string; params: Record<string, unknown> } {
  if (!isObject(body)) throw new InvalidRequest('a JSON-RPC request is an object');
  if (body['jsonrpc'] !== '2.0') throw new InvalidRequest('jsonrpc must be "2.0"');
  if (!isId(body['id'])) throw new InvalidRequest('id must be a string, a whole number or null');
  const { method, params } = body;
  if (typeof method !== 'string' || method === '') throw new InvalidRequest('method must be a string');
  if (params !== undefined && !isObject(params)) {
    throw new MeshError('INVALID_ARGUMENT', 'params must be an object', { details: { path: 'params' } });
  }
  return { method, params: params ?? {} };
}

function findOperation(operations: Operations, method: string): Operation {
  // Names of A2A 0.3 have a slash.
  if (method.includes('/')) {
    throw new MeshError('VERSION_NOT_SUPPORTED', `"${method.slice(0, 50)}" is a method of A2A 0.3; 1.0 is supported`, {
      details: { supported: '1.0' },
    });
  }
  // Own properties only, so that "constructor" is no method.
  const operation = Object.hasOwn(operations, method) ? operations[method as OperationName] : undefined;
  if (operation) return operation;
  throw new MeshError('METHOD_NOT_ALLOWED', `there is no method "${method.slice(0, 50)}"`);
}

const idOf = (body: unknown): unknown => (isObject(body) && isId(body['id']) ? (body['id'] ?? null) : null);

const isId = (id: unknown): boolean =>
  id === undefined || id === null || typeof id === 'string' || (typeof id === 'number' && Number.isInteger(id));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
