/** The settings that were given: JSON has no undefined, but optional fields of our own callers may be. */
export function dropUndefined<T extends object>(settings: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // Exactly the fields that are undefined are gone.
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
