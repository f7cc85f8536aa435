import { MeshError } from '@daca-mesh/protocol';
import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { harmless, note, printJson } from '../output.ts';
import { replaceFile } from '../replace-file.ts';

/** `mesh artifact`: what a run made, as text or as a file. */
export function addArtifactCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'artifact', 'print what a run made, or save it as a file', [
    'npx mesh artifact 0197… --out report.html',
    'npx mesh artifact 0197… result',
  ])
    .argument('<run>', 'its id, from "mesh run" or "mesh runs"')
    .argument('[artifact]', 'which one, of those that --json lists (default: the first)')
    .option('--out <file>', 'save it there instead of printing it')
    .action(async (runId: string, artifactId: string | undefined, options: CommonOptions & { out?: string }) => {
      const api = connectApi(context, options);
      const { artifacts } = await api.artifacts(runId);
      if (options.json && options.out === undefined) return printJson({ artifacts });
      const [first] = artifacts;
      if (!first) throw new MeshError('NOT_FOUND', `the run ${runId} has made nothing yet; see "mesh show ${runId}"`);
      const text = await api.artifact(runId, artifactId ?? first.artifactId);
      if (options.out === undefined) {
        // What an agent wrote must not drive a terminal; a pipe gets it as it is.
        process.stdout.write(process.stdout.isTTY ? harmless(text) : text);
        return;
      }
      replaceFile(options.out, text);
      note(`saved as ${options.out}`);
    });
}
