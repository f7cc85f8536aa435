import { note } from './output.ts';

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** Tells on standard error what a command waits for: a spinner in a terminal, a plain line elsewhere. */
export interface Progress extends Disposable {
  update(text: string): void;
}

/** Starts telling; dispose it before printing a result. Silent when `quiet`. */
export function startProgress(text: string, options: { quiet?: boolean } = {}): Progress {
  if (options.quiet === true) return { update: () => {}, [Symbol.dispose]: () => {} };
  let shown = text;
  if (!process.stderr.isTTY) {
    note(`${shown} ...`);
    return {
      update: (next) => {
        if (next !== shown) note(`${next} ...`);
        shown = next;
      },
      [Symbol.dispose]: () => {},
    };
  }
  let frame = 0;
  let stopped = false;
  const draw = () => {
    frame = (frame + 1) % frames.length;
    process.stderr.write(`\r\u001B[2K${frames[frame]} ${shown}`);
  };
  draw();
  const timer = setInterval(draw, 100);
  return {
    update: (next) => {
      shown = next;
    },
    [Symbol.dispose]: () => {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      process.stderr.write('\r\u001B[2K');
    },
  };
}
