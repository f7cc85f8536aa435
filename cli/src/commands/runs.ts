import { type Command, InvalidArgumentError, Option } from 'commander';
import { addMeshCommand, type CommonOptions, connectApi, type Context } from '../context.ts';
import { RunStatus } from '../mesh-api.ts';
import { duration, note, print, printJson, table } from '../output.ts';

interface RunsOptions extends CommonOptions {
  status?: string;
  workflow?: string;
  limit?: number;
  cursor?: string;
}

/** `mesh runs`: the runs of the coordinator, newest first. */
export function addRunsCommand(program: Command, context: Context): void {
  addMeshCommand(program, 'runs', 'list runs, newest first', [
    'npx mesh runs',
    'npx mesh runs --status waiting --limit 5',
  ])
    .addOption(new Option('--status <status>', 'only runs in this status').choices(RunStatus.options))
    .option('--workflow <name>', 'only runs of this workflow')
    .option('--limit <n>', 'at most so many, up to 500 (default: 50)', parseLimit)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .action(async ({ json, status, workflow, limit, cursor, ...location }: RunsOptions) => {
      const page = await connectApi(context, location).runs({ status, workflow, limit, cursor });
      if (json) return printJson(page);
      const rows = page.runs.map((run) => [
        run.runId,
        run.workflow,
        run.status,
        new Date(run.createdAt).toLocaleString(),
        duration(Date.parse(run.updatedAt) - Date.parse(run.createdAt)),
      ]);
      for (const line of table(['RUN', 'WORKFLOW', 'STATUS', 'STARTED', 'TOOK'], rows)) print(line);
      if (page.nextCursor) note(`more: --cursor ${page.nextCursor}`);
    });
}

/** How many a page has. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 500) return limit;
  throw new InvalidArgumentError('It must be a whole number from 1 to 500.');
}
