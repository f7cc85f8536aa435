import type { MeshErrorCode } from '@daca-mesh/protocol';
import type { Response } from 'express';
import type { z } from 'zod';

/** A response of a route, for its documentation. */
export interface ResponseSpec {
  description: string;
  schema?: z.ZodType;
  /** `application/json` by default. */
  mediaType?: string;
  headers?: Record<string, string>;
}

/** What a handler answers. */
interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** The parts of a request, checked against the route's schemas. */
export interface RouteCall<Params, Query, Headers, Body> {
  params: Params;
  query: Query;
  headers: Headers;
  body: Body;
  /** Who calls: the principal of the token, or `local`. */
  caller: string;
  /** Aborts when the client goes away or the server closes. */
  signal: AbortSignal;
}

interface RouteText {
  method: 'get' | 'post';
  /** With parameters in braces, as OpenAPI writes them. */
  path: string;
  operationId: string;
  summary: string;
  description?: string;
  responses: Record<number, ResponseSpec>;
  /** The codes of the errors it may answer, beside those of every route. */
  errors: readonly MeshErrorCode[];
}

/** A route as the router mounts it and the OpenAPI document describes it: one text for both. */
export interface Route extends RouteText {
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: { schema: z.ZodType; required: boolean; description: string };
  /** A handler that streams writes to `response` itself and returns nothing. */
  handle(call: RouteCall<unknown, unknown, unknown, unknown>, response: Response): Promise<Reply | undefined>;
}

/** A route whose handler gets exactly what its schemas describe. */
export interface RouteDefinition<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodType,
> extends RouteText {
  params?: Params;
  query?: Query;
  headers?: Headers;
  body?: { schema: Body; required: boolean; description: string };
  handle(
    call: RouteCall<z.output<Params>, z.output<Query>, z.output<Headers>, z.output<Body>>,
    response: Response,
  ): Promise<Reply | undefined>;
}

/** Makes a route of its definition: the router calls `handle` only with what the definition's own schemas returned. */
export const route = <
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Headers extends z.ZodObject,
  Body extends z.ZodType,
>(
  definition: RouteDefinition<Params, Query, Headers, Body>,
): Route => definition;
