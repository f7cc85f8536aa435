/** What an event tells the scripted workflow of the model test to do. */
export type Instruction =
  | { readonly do: 'note'; readonly text: string }
  | { readonly do: 'work'; readonly text: string }
  | { readonly do: 'sleep' }
  | { readonly do: 'child'; readonly id: string }
  | { readonly do: 'again' }
  | { readonly do: 'end' };

/** How long `sleep` lasts, on the clock of the test. */
export const SLEEP_MS = 1000;
