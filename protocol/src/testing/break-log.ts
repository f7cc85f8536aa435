import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Has the disk fail for a database of this process that is open with `full` durability: puts something that cannot be synced
 * in the place of the file by which its log is. What it commits next is written, and its sync fails. Linux only.
 */
export function breakLog(path: string): void {
  // SQLite opens its own with O_NOFOLLOW.
  const isOurs = (fd: string): boolean => {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== `${path}-wal`) return false;
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
