/** How much of one text is handed on. */
const maxChars = 64 * 1024;

/** A text, ended at the end of a line where it is too long. */
export function clippedText(text: string): { text: string; truncated: boolean } {
  if (text.length <= maxChars) return { text, truncated: false };
  const end = text.lastIndexOf('\n', maxChars);
  return { text: text.slice(0, end > 0 ? end + 1 : maxChars), truncated: true };
}
