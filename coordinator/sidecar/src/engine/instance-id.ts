import { WorkflowError } from './workflow-error.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacters = /[\u0000-\u001f\u007f]/;

/** daprd keeps ids in names of scheduler jobs, which cannot have these; a program that used them here would fail there. */
export function checkInstanceId(id: string): void {
  if (/[/\\#?]/.test(id)) throw invalid(id, "must not contain '/', '\\', '#' or '?'");
  if (controlCharacters.test(id)) throw invalid(id, 'must not contain control characters');
}

function invalid(id: string, reason: string): WorkflowError {
  return new WorkflowError('INVALID_ID', `instance id is invalid ${JSON.stringify(id)}: ${reason}`);
}
