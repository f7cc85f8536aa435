import { type Command, Option } from 'commander';

/** The options of commands that start a mesh, about what runs its workflows. */
export interface EngineOptions {
  engine?: 'embedded' | 'dapr';
  daprState?: string;
}

export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--engine <engine>', 'what runs the workflows (default: MESH_ENGINE, else embedded)').choices([
        'embedded',
        'dapr',
      ]),
    )
    .option(
      '--dapr-state <store>',
      'where Dapr keeps its state: sqlite, or a postgres:// URL (default: MESH_DAPR_STATE, else sqlite)',
    );
}
