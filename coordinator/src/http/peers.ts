import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { PeerList } from './schemas.ts';

/** The agents this coordinator knows. */
export const peerRoutes = ({ directory }: ApiServices): Route[] => [
  route({
    method: 'get',
    path: '/peers',
    operationId: 'listPeers',
    summary: 'The agents this coordinator knows, and how they are',
    responses: { 200: { description: 'The peers', schema: PeerList } },
    errors: [],
    handle: async () => ({ status: 200, body: { peers: directory.list() } }),
  }),
];
