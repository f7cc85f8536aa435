import { digest, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { artifactsOf } from '../runs/run-artifacts.ts';
import type { Run } from '../runs/run-view.ts';
import type { ApiServices } from './api.ts';
import { IfNoneMatch, isKnown } from './entity-tag.ts';
import { type Route, route } from './route.ts';
import { ArtifactList, PathId } from './schemas.ts';

/** What runs made: as a list, and as files. */
export function artifactRoutes({ runs }: Pick<ApiServices, 'runs'>): Route[] {
  const list = route({
    method: 'get',
    path: '/runs/{runId}/artifacts',
    operationId: 'listArtifacts',
    summary: 'What a run made; nothing before it has completed',
    params: z.object({ runId: PathId }),
    responses: { 200: { description: 'The artifacts', schema: ArtifactList } },
    errors: ['RUN_NOT_FOUND', 'INVALID_ARGUMENT'],
    handle: async ({ params }) => ({ status: 200, body: { artifacts: toList(await runs.get(params.runId)) } }),
  });

  const download = route({
    method: 'get',
    path: '/runs/{runId}/artifacts/{artifactId}',
    operationId: 'getArtifact',
    summary: 'An artifact as a file',
    params: z.object({ runId: PathId, artifactId: PathId }),
    headers: z.object({ 'if-none-match': IfNoneMatch.optional() }),
    responses: {
      200: {
        description: 'The file, in its own media type',
        schema: z.string(),
        mediaType: '*/*',
        headers: { 'Content-Disposition': 'The name of the file', ETag: 'Changes with the content' },
      },
      304: { description: 'The client has it already' },
    },
    errors: ['RUN_NOT_FOUND', 'NOT_FOUND', 'INVALID_ARGUMENT'],
    handle: async ({ params: { runId, artifactId }, headers }, response) => {
      const artifact = artifactsOf(await runs.get(runId)).find((each) => each.artifactId === artifactId);
      if (!artifact) throw new MeshError('NOT_FOUND', `the run ${runId} has no artifact ${artifactId}`);
      const { content, mediaType, name } = artifact;
      const tag = `"${digest(content)}"`;
      // Express would add a charset to JSON, which has none.
      response.setHeader('Content-Type', mediaType.startsWith('text/') ? `${mediaType}; charset=utf-8` : mediaType);
      response
        .status(isKnown(headers['if-none-match'], tag) ? 304 : 200)
        .set({
          'Content-Disposition': `attachment; filename="${name}"`,
          ETag: tag,
          'Cache-Control': 'private, no-cache',
          // What agents wrote must not run as a page of this origin, whatever it says it is.
          'Content-Security-Policy': "sandbox; default-src 'none'",
          'X-Content-Type-Options': 'nosniff',
        })
        .send(Buffer.from(content));
      return undefined;
    },
  });
  return [list, download];
}

const toList = (run: Run): z.infer<typeof ArtifactList>['artifacts'] =>
  artifactsOf(run).map(({ artifactId, name, mediaType, content }) => ({
    artifactId,
    name,
    mediaType,
    bytes: Buffer.byteLength(content),
    links: { download: `${run.links['artifacts']}/${artifactId}` },
  }));
