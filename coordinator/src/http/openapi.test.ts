import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toOpenApi } from './openapi.ts';
import { route } from './route.ts';
import { AnswerBody, InboxQuestion, Run, RunPage } from './schemas.ts';

const info = { title: 'Test', version: '1.0.0', description: 'A test', secured: true };
const reply = async () => ({ status: 200, body: {} });
const routes = [
  route({
    method: 'get',
    path: '/runs/{runId}',
    operationId: 'getRun',
    summary: 'One run',
    params: z.object({ runId: z.string() }),
    query: z.strictObject({ wait: z.string().optional().describe('How long'), limit: z.coerce.number().default(5) }),
    responses: { 200: { description: 'The run', schema: Run } },
    errors: ['RUN_NOT_FOUND'],
    handle: reply,
  }),
  route({
    method: 'post',
    path: '/runs/{runId}',
    operationId: 'answer',
    summary: 'An answer',
    params: z.object({ runId: z.string() }),
    body: { schema: AnswerBody, required: true, description: 'The answer' },
    responses: {
      200: { description: 'The question', schema: InboxQuestion },
      206: { description: 'Runs', schema: RunPage, headers: { Location: 'Where' } },
    },
    errors: [],
    handle: reply,
  }),
];
const document = JSON.parse(JSON.stringify(toOpenApi(info, routes)));

describe('toOpenApi', () => {
  it('puts methods of one path together, with parameters and bodies', () => {
    expect(Object.keys(document.paths)).toEqual(['/runs/{runId}']);
    expect(document.paths['/runs/{runId}'].get.parameters).toEqual([
      { name: 'runId', in: 'path', required: true, schema: { type: 'string' } },
      {
        name: 'wait',
        in: 'query',
        required: false,
        description: 'How long',
        schema: expect.objectContaining({ type: 'string' }),
      },
      { name: 'limit', in: 'query', required: false, schema: expect.objectContaining({ default: 5 }) },
    ]);
    expect(document.paths['/runs/{runId}'].post.requestBody.content['application/json'].schema).toEqual({
      $ref: '#/components/schemas/Answer',
    });
  });

  it('describes errors as problems and names their codes', () => {
    const { default: error } = document.paths['/runs/{runId}'].get.responses;
    expect(error.description).toContain('RUN_NOT_FOUND');
    expect(error.content['application/problem+json'].schema).toEqual({ $ref: '#/components/schemas/Problem' });
  });

  it('refers only to components that exist, and each is a JSON Schema', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target);
    const names = Object.keys(document.components.schemas);
    expect(names).toEqual(expect.arrayContaining(['Answer', 'Problem', 'Question', 'Run', 'RunPage', 'RunStatus']));
    for (const reference of references) {
      expect(names.map((name) => `#/components/schemas/${name}`)).toContain(reference);
    }
    const ajv = addFormats.default(new Ajv2020({ strict: false }));
    ajv.addSchema({ $id: 'https://api.test/schema', components: document.components });
    const check = ajv.compile({ $ref: 'https://api.test/schema#/components/schemas/RunPage' });
    expect(check({ runs: [], nextCursor: null })).toBe(true);
    expect(check({ runs: [{ runId: 1 }], nextCursor: null })).toBe(false);
  });

  it('demands the token where the server does', () => {
    expect(document.security).toEqual([{ bearer: [] }]);
    expect(toOpenApi({ ...info, secured: false }, routes)).not.toHaveProperty('security');
  });
});
