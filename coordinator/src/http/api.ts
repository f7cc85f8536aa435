import type { Database } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import type { Directory } from '../directory/directory.ts';
import type { Events } from '../events/events.ts';
import type { InboxDeps } from '../inbox/show-questions.ts';
import type { Runs } from '../runs/runs.ts';
import type { Signals } from '../store/signals.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { eventRoutes } from './events.ts';
import { artifactRoutes } from './artifacts.ts';
import { type ApiInfo, toOpenApi } from './openapi.ts';
import { openCallRoutes } from './open-calls.ts';
import { peerRoutes } from './peers.ts';
import { questionRoutes } from './questions.ts';
import { type Route, route } from './route.ts';
import { runEventRoutes } from './run-events.ts';
import type { RunFeed } from './run-feed.ts';
import { runRoutes } from './runs.ts';
import { workflowRoutes } from './workflows.ts';

/** What the API is an interface to. */
export interface ApiServices {
  database: Database;
  signals: Signals;
  inbox: InboxDeps;
  feed: RunFeed;
  runs: Runs;
  directory: Pick<Directory, 'at' | 'list'>;
  events: Pick<Events, 'receive' | 'webhooks' | 'parked'>;
  workflows: readonly WorkflowDefinition[];
}

/** Every route of the HTTP API, its index and the OpenAPI document among them. */
export function createRoutes(services: ApiServices, info: ApiInfo): readonly Route[] {
  const routes = [
    indexRoute(info),
    ...workflowRoutes(services),
    ...runRoutes(services),
    ...runEventRoutes(services),
    ...openCallRoutes(services),
    ...artifactRoutes(services),
    ...questionRoutes(services),
    ...eventRoutes(services),
    ...peerRoutes(services),
  ];
  const openApi = route({
    method: 'get',
    path: '/openapi.json',
    operationId: 'getOpenApi',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1', schema: z.record(z.string(), z.unknown()) } },
    errors: [],
    handle: async () => ({ status: 200, body: document }),
  });
  const all = [...routes, openApi];
  const document = toOpenApi(info, all);
  return all;
}

const links = {
  card: '/.well-known/agent-card.json',
  jsonrpc: '/a2a/jsonrpc',
  rest: '/a2a/rest',
  workflows: '/workflows',
  runs: '/runs',
  questions: '/questions?status=open',
  events: '/events',
  peers: '/peers',
  openapi: '/openapi.json',
  health: '/healthz',
  ready: '/readyz',
};

const indexRoute = ({ title, description }: ApiInfo): Route =>
  route({
    method: 'get',
    path: '/',
    operationId: 'getIndex',
    summary: 'What there is',
    responses: {
      200: {
        description: 'Links',
        schema: z.object({ name: z.string(), description: z.string(), links: z.record(z.string(), z.string()) }),
      },
    },
    errors: [],
    handle: async () => ({ status: 200, body: { name: title, description, links } }),
  });
