/** How many of the items of a map have ended. */
export interface MapProgress {
  message: string;
  percent: number;
}

/** It is told about every fourth item, but at least four times and at most twenty. */
const stepsOf = (total: number): number => Math.min(Math.max(Math.floor(total / 4), 4), 20);

/** What is told when one more item has ended; undefined where the next step is not reached. */
export function mapProgress(ended: number, total: number, items: string): MapProgress | undefined {
  const steps = stepsOf(total);
  const stepOf = (count: number): number => Math.floor((count * steps) / total);
  if (stepOf(ended) === stepOf(ended - 1)) return undefined;
  return { message: `${ended} of ${total} ${items}`, percent: Math.floor((ended * 100) / total) };
}
