/** How deep a value from outside may be nested. */
export const maxDepth = 100;

/** Whether a JSON value is so deeply nested that whatever walks it later could overflow its stack. */
export function isTooDeep(value: unknown): boolean {
  // Level by level, so as not to overflow here.
  let level = [value].filter(isContainer);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) return true;
    level = level.flatMap((container): unknown[] => Object.values(container)).filter(isContainer);
  }
  return false;
}

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;
