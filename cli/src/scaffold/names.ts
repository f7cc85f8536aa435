import { MeshError } from '@daca-mesh/protocol';
import { InvalidArgumentError } from 'commander';

/** What a name in kebab-case may not become as the name of a variable. */
const reserved = new Set(
  (
    'arguments async await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in instanceof interface let new null package private protected ' +
    'public return static super switch this throw true try typeof var void while with yield'
  ).split(' '),
);

/** Checks the name of something new: kebab-case, as ids of skills and files are. */
export function parseName(text: string): string {
  if (/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(text) && text.length <= 40 && !reserved.has(text)) return text;
  throw new InvalidArgumentError(
    'It must be lower-case words joined by "-", at most 40 characters, and no word of TypeScript.',
  );
}

/** `count-words` as the name of a variable: `countWords`. */
export const toVariableName = (name: string): string =>
  name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Comments, strings and the blanks of templates: what is in them names nothing. */
const noNames = /\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'|`[^`]*`|\{\{\w+\}\}/g;

/** Refuses a variable's name that is taken in one of the texts of code it is to stand in. @throws MeshError `FORBIDDEN`. */
export function refuseTaken(variable: string, ...code: readonly string[]): void {
  const name = new RegExp(`\\b${variable}\\b`);
  if (!code.some((text) => name.test(text.replaceAll(noNames, '')))) return;
  throw new MeshError('FORBIDDEN', `the code around it calls something else "${variable}": choose another name`);
}
