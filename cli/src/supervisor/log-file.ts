import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const maxBytesByDefault = 50 * 1024 * 1024;

/**
 * A process's log, one JSON line per line. When full it is moved to `<path>.1`, over the one before, so that a mesh
 * that runs for months keeps at most two files per process.
 */
export interface LogFile {
  readonly path: string;
  /** Never throws: what cannot be written is lost, and the log says so once it can. */
  append(line: string): void;
}

/** Opens a log file for appending, with its folder. */
export function openLogFile(path: string, maxBytes = maxBytesByDefault): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  let sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let lostLines = 0;
  const write = (text: string): void => {
    const bytes = Buffer.from(text);
    if (sizeBytes > 0 && sizeBytes + bytes.length > maxBytes) {
      renameSync(path, `${path}.1`);
      sizeBytes = 0;
    }
    appendFileSync(path, bytes);
    sizeBytes += bytes.length;
  };
  return {
    path,
    append(line) {
      // The last of those that were lost may be there in part.
      const gap = lostLines === 0 ? '' : `\n${JSON.stringify({ level: 'warn', msg: 'lines were lost', lostLines })}\n`;
      try {
        write(`${gap}${line}\n`);
        lostLines = 0;
      } catch {
        // A disk that is full must not end whoever keeps the log, and with it the processes that wait for room.
        lostLines++;
      }
    },
  };
}
