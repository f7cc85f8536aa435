import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';

const templates = new URL('../../templates/', import.meta.url);

/** A template as it is. */
export const readTemplate = (template: string): string => readFileSync(new URL(`${template}.txt`, templates), 'utf8');

/**
 * Files to be made and changed in a workspace, worked out before the first is written: nothing that is there is
 * overwritten, what cannot be done is refused while nothing has changed, and what fails on the way is taken back.
 */
export class ChangeSet {
  readonly #root: string;
  readonly #values: Readonly<Record<string, string>>;
  readonly #texts = new Map<string, string>();
  readonly #created: string[] = [];
  /** What each path held before; undefined: there was nothing. */
  readonly #before = new Map<string, string | undefined>();

  /** `values` stand for `{{name}}` and its like in the templates. */
  constructor(root: string, values: Readonly<Record<string, string>>) {
    this.#root = root;
    this.#values = values;
  }

  /** The files that will be new. */
  get created(): readonly string[] {
    return this.#created;
  }

  /** What a file will hold. */
  textOf(path: string): string | undefined {
    return this.#texts.get(path);
  }

  /** Makes a file of a template. @throws MeshError `FORBIDDEN` where there is one. */
  create(path: string, template: string): void {
    this.put(path, this.fill(template));
  }

  /** A template with its values. */
  fill(template: string): string {
    return readTemplate(template).replaceAll(
      /\{\{(\w+)\}\}/g,
      (_, key: string) => this.#values[key] ?? missing(key, template),
    );
  }

  /** Makes a file. @throws MeshError `FORBIDDEN` where there is one. */
  put(path: string, text: string): void {
    if (existsSync(join(this.#root, path))) throw new MeshError('FORBIDDEN', `${path} is there already`);
    this.#texts.set(path, text);
    this.#created.push(path);
    this.cover(path);
  }

  /** Changes a file that is there. @throws MeshError `NOT_FOUND` where there is none. */
  edit(path: string, change: (text: string) => string): void {
    this.#texts.set(path, change(this.#texts.get(path) ?? this.read(path)));
    this.cover(path);
  }

  /** Has {@link undo} also take back what others do afterwards: to a file, or to a folder that is not there yet. */
  cover(path: string): void {
    const found = statSync(join(this.#root, path), { throwIfNoEntry: false });
    if (found === undefined || found.isFile()) this.#before.set(path, found && this.read(path));
  }

  /** The text of a file of the workspace. */
  read(path: string): string {
    try {
      return readFileSync(join(this.#root, path), 'utf8');
    } catch (cause) {
      throw new MeshError('NOT_FOUND', `${path} is missing: is this the workspace of a mesh?`, { cause });
    }
  }

  /** Writes everything, or nothing. */
  write(): void {
    try {
      for (const [path, text] of this.#texts) {
        mkdirSync(dirname(join(this.#root, path)), { recursive: true });
        writeFileSync(join(this.#root, path), text);
      }
    } catch (error) {
      this.undo();
      throw error;
    }
  }

  /** Puts everything back as it was. */
  undo(): void {
    for (const [path, text] of this.#before) {
      if (text === undefined) rmSync(join(this.#root, path), { force: true, recursive: true });
      // What could not be written cannot be written back either.
      else if (this.read(path) !== text) writeFileSync(join(this.#root, path), text);
    }
  }
}

function missing(key: string, template: string): never {
  throw new TypeError(`template ${template} needs a value for ${key}`);
}

/** Puts a line among those that match, in alphabetical order. @throws MeshError `NOT_FOUND` where none does. */
export function insertSorted(text: string, line: string, among: RegExp): string {
  const lines = text.split('\n');
  const matching = lines.flatMap((candidate, index) => (among.test(candidate) ? [index] : []));
  const last = matching.at(-1);
  if (last === undefined) throw new MeshError('NOT_FOUND', `there is no place for "${line.trim()}"`);
  const next = matching.find((index) => (lines[index] ?? '').localeCompare(line) > 0);
  return lines.toSpliced(next ?? last + 1, 0, line).join('\n');
}
