import { z } from 'zod';
import { Problem } from './problem.ts';
import type { ResponseSpec, Route } from './route.ts';

type JsonObject = Record<string, unknown>;

/** Facts about the API as a whole. */
export interface ApiInfo {
  title: string;
  version: string;
  description: string;
  /** Whether a bearer token is demanded. */
  secured: boolean;
}

/**
 * The OpenAPI 3.1 document of a list of routes. Schemas with an id become components; both the router and this document
 * are made from the same list, so neither can know a route the other does not.
 */
export function toOpenApi(info: ApiInfo, routes: readonly Route[]): JsonObject {
  const components = new Map<string, JsonObject>();
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: toOperation(route, components) };
  }
  return {
    openapi: '3.1.0',
    info: { title: info.title, version: info.version, description: info.description, license: license },
    ...(info.secured ? { security: [{ bearer: [] }] } : {}),
    paths,
    components: {
      schemas: Object.fromEntries([...components].sort(([a], [b]) => a.localeCompare(b))),
      ...(info.secured ? { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } : {}),
    },
  };
}

const license = { name: 'Apache-2.0', identifier: 'Apache-2.0' };

function toOperation(route: Route, components: Map<string, JsonObject>): JsonObject {
  const parameters = [
    ...toParameters('path', route.params, components),
    ...toParameters('query', route.query, components),
    ...toParameters('header', route.headers, components),
  ];
  const problem: ResponseSpec = {
    description: route.errors.length > 0 ? `An error; codes of this route: ${route.errors.join(', ')}` : 'An error',
    schema: Problem,
    mediaType: 'application/problem+json',
  };
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.body.required,
            description: route.body.description,
            content: { 'application/json': { schema: toSchema(route.body.schema, 'input', components) } },
          },
        }),
    responses: Object.fromEntries(
      Object.entries({ ...route.responses, default: problem }).map(([status, spec]) => [
        status,
        toResponse(spec, components),
      ]),
    ),
  };
}

function toResponse(spec: ResponseSpec, components: Map<string, JsonObject>): JsonObject {
  const headers = Object.entries(spec.headers ?? {}).map(([name, description]) => [
    name,
    { description, schema: { type: 'string' } },
  ]);
  return {
    description: spec.description,
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(spec.schema === undefined
      ? {}
      : {
          content: { [spec.mediaType ?? 'application/json']: { schema: toSchema(spec.schema, 'output', components) } },
        }),
  };
}

function toParameters(
  place: 'path' | 'query' | 'header',
  object: z.ZodObject | undefined,
  components: Map<string, JsonObject>,
): JsonObject[] {
  return Object.entries(object?.shape ?? {}).map(([name, field]) => {
    // The fields of a ZodObject's shape are schemas; zod types them by its core interface.
    const schema = field as z.ZodType;
    return {
      name,
      in: place,
      required: place === 'path' || !schema.safeParse(undefined).success,
      // JSON leaves it out where there is none.
      description: schema.description,
      schema: toSchema(schema, 'input', components),
    };
  });
}

/** A schema of the document; whatever in it has an id moves to the components. */
function toSchema(schema: z.ZodType, io: 'input' | 'output', components: Map<string, JsonObject>): JsonObject {
  const { $schema: _dialect, $defs, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  for (const [id, definition] of Object.entries($defs ?? {})) components.set(id, withReferences(definition));
  return withReferences(root);
}

/** The same schema with references to components instead of to its own definitions. */
function withReferences(value: unknown): JsonObject {
  const text = JSON.stringify(value, (key, entry: unknown) =>
    key === '$ref' && typeof entry === 'string' ? entry.replace('#/$defs/', '#/components/schemas/') : entry,
  );
  return JsonSchemaObject.parse(JSON.parse(text));
}

const JsonSchemaObject = z.record(z.string(), z.unknown());
