/** How many of the items of a map have ended. */
export interface MapProgress {
  message: string;
  percent: number;
}

/** So many times at most it is told. */
const steps = 20;

/** What is told when one more item has ended; undefined where the next step is not reached. */
export function mapProgress(ended: number, total: number, items: string): MapProgress | undefined {
  const stepOf = (count: number): number => Math.floor((count * steps) / total);
  if (stepOf(ended) === stepOf(ended - 1)) return undefined;
  return { message: `${ended} of ${total} ${items}`, percent: Math.floor((ended * 100) / total) };
}
