import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Keeps the threads on which the disk is waited for busy while `work` is done: with a pipe that nobody writes to. */
export async function whileDiskIsHeld(folder: string, work: () => Promise<void>): Promise<void> {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // More than there are threads; what is asked of them afterwards comes after all of these.
  const readers = Array.from({ length: 32 }, () => open(pipe, 'r'));
  try {
    await work();
  } finally {
    const writer = openSync(pipe, constants.O_RDWR);
    for (const reader of await Promise.all(readers)) await reader.close();
    closeSync(writer);
  }
}

/** Puts something that cannot be synced in the place of the file by which the log of this database is. */
export function breakLog(path: string): void {
  const isOurs = (fd: string): boolean => {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== `${path}-wal`) return false;
      // SQLite opens its own with O_NOFOLLOW.
      const flags = /flags:\s*(?<flags>\d+)/u.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.groups?.['flags'];
      return (Number.parseInt(flags ?? '', 8) & constants.O_NOFOLLOW) === 0;
    } catch {
      return false;
    }
  };
  const log = Number(readdirSync('/proc/self/fd').find(isOurs));
  closeSync(log);
  let opened: number;
  const others: number[] = [];
  while ((opened = openSync('/dev/null', 'r+')) !== log) others.push(opened);
  for (const other of others) closeSync(other);
}
