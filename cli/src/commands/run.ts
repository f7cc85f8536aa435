import { newId } from '@daca-mesh/protocol';
import type { Command } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { parseJsonArgument } from '../json-argument.ts';
import { print, printJson } from '../output.ts';
import { showRun } from '../show-run.ts';

interface RunOptions extends CommonOptions {
  input: unknown;
  follow?: boolean;
  key?: string;
}

/** `mesh run`: starts a workflow. */
export function addRunCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'run', 'start a workflow', [
    `npx mesh run content-pipeline --input '{"text":"Solar power keeps getting cheaper."}' --follow`,
    'npx mesh run content-moderation --input @post.json',
    'npx mesh run chain --input @steps.json --follow',
    `npx mesh run chain --input '{"steps":[{"id":"k","skill":"extract-keywords","input":{"text":"Solar power keeps getting cheaper."}},{"agent":"writer","input":{"keywords":[{"$from":"k","pointer":"/keywords/0/term"}]}}]}'`,
  ])
    .argument('<workflow>', 'a skill of the coordinator: "mesh card coordinator" lists them')
    .requiredOption('--input <json|@file>', 'the input: JSON, @file, or @- for standard input', parseJsonArgument)
    .option('--follow', 'stay until it ends; exit code 1 unless it completes')
    .option('--key <key>', 'idempotency key: the same key and input again is the same run (default: random)')
    .action(async (workflow: string, options: RunOptions) => {
      const api = connectApi(context, options);
      const runId = await api.start(workflow, options.input, options.key ?? newId());
      if (options.follow) return showRun(context, api, runId, { follow: true, json: options.json === true });
      const run = await api.run(runId);
      if (options.json) return printJson(run);
      print(runId);
    });
}
