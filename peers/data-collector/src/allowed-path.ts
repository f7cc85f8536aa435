import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';

/** A file that may be read. */
export interface AllowedFile {
  /** Where it really is. */
  path: string;
  /** Its name within the folder, with `/` on every system. */
  name: string;
  bytes: number;
}

/**
 * A file of a folder, by its name within it. Where it really is decides, so a link that leads out of the folder is refused
 * as `..` is.
 * @throws MeshError `PATH_NOT_ALLOWED`, `NOT_FOUND`.
 */
export async function allowedFile(folder: string, name: string): Promise<AllowedFile> {
  const refused = new MeshError('PATH_NOT_ALLOWED', `${name} is not within the data folder`);
  if (isAbsolute(name) || name.includes('\0')) throw refused;
  const root = await realpath(folder).catch(missing('the data folder'));
  const wanted = resolve(root, name);
  if (!isWithin(root, wanted)) throw refused;
  const path = await realpath(wanted).catch(missing(name));
  if (!isWithin(root, path)) throw refused;
  const entry = await stat(path).catch(missing(name));
  // A folder has no text, and reading a pipe would never end.
  if (!entry.isFile()) throw new MeshError('NOT_FOUND', `${name} is no file`);
  return { path, name: relative(root, wanted).split(sep).join('/'), bytes: entry.size };
}

const isWithin = (root: string, path: string): boolean => {
  const from = relative(root, path);
  return from !== '' && from !== '..' && !from.startsWith(`..${sep}`) && !isAbsolute(from);
};

const missing = (name: string) => (cause: unknown) => {
  throw new MeshError('NOT_FOUND', `there is no ${name}`, { cause });
};
