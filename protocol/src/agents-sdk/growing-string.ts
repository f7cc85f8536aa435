/**
 * The value, so far, of one string property in a JSON text that is still coming. Lets a structured answer be watched
 * while it is written. Undefined until the property begins; an escape that is cut in two waits for its rest.
 */
export function growingString(partialJson: string, property: string): string | undefined {
  const name = JSON.stringify(property);
  const at = partialJson.indexOf(name);
  if (at === -1) return undefined;
  const raw = /^\s*:\s*"((?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*)/.exec(partialJson.slice(at + name.length))?.[1];
  if (raw === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(`"${raw}"`);
    return typeof value === 'string' ? value : undefined;
  } catch {
    // A control character that JSON forbids: the whole text will be refused at its end.
    return undefined;
  }
}
