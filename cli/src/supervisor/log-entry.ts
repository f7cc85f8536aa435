import { z } from 'zod';

/** What is read of the log of a process that starts; pino counts levels, the programs of Dapr name them. */
const LogEntry = z.object({
  level: z.union([z.number(), z.string()]).optional(),
  msg: z.string().optional(),
  url: z.url().optional(),
  err: z.object({ message: z.string() }).optional(),
});

export type LogEntry = z.infer<typeof LogEntry>;

/** The log entry on a line; undefined where the line is none. */
export function tryParseLogEntry(line: string): LogEntry | undefined {
  try {
    return LogEntry.safeParse(JSON.parse(line)).data;
  } catch {
    // A line that is no JSON is in the log all the same.
    return undefined;
  }
}

/** Pino's number, and Dapr's word. */
export const isFatal = ({ level }: LogEntry): boolean => level === 60 || level === 'fatal';

/** The address a process says it listens on, if that is what the entry is about. */
export const listeningUrl = ({ msg, url }: LogEntry): string | undefined => (msg === 'listening' ? url : undefined);
