import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { RecordedRun } from '../src/workflow-kit/testing/recorded-run.ts';

const folder = new URL('.', import.meta.url);

/** Where the history of a case is kept. */
export const caseFile = (workflow: string, name: string): URL => new URL(`${workflow}/${name}.json`, folder);

export const isRecorded = (workflow: string, name: string): boolean => existsSync(caseFile(workflow, name));

/** Every recorded run, with the name of its file. */
export function recordedRuns(): { file: string; recorded: RecordedRun }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => {
      // Written by record.ts.
      const recorded = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as RecordedRun;
      return { file, recorded };
    });
}
