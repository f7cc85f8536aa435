import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const maxBytesByDefault = 50 * 1024 * 1024;

/**
 * A process's log, one JSON line per line. When full it is moved to `<path>.1`, over the one before, so that a mesh
 * that runs for months keeps at most two files per process.
 */
export interface LogFile {
  readonly path: string;
  append(line: string): void;
}

/** Opens a log file for appending, with its folder. */
export function openLogFile(path: string, maxBytes = maxBytesByDefault): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  let sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return {
    path,
    append(line) {
      const bytes = Buffer.from(`${line}\n`);
      if (sizeBytes > 0 && sizeBytes + bytes.length > maxBytes) {
        renameSync(path, `${path}.1`);
        sizeBytes = 0;
      }
      appendFileSync(path, bytes);
      sizeBytes += bytes.length;
    },
  };
}
