/** A number as it stands in a sentence: at most two decimals. */
export const formatNumber = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 2 });

const numberPattern = /(?<![\p{L}\d.,])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\p{L}\d.,])-?\d+(?:\.\d+)?/gu;

/** The numbers in a text, as written and as a value, with the precision they are written in. */
export function numbersIn(text: string): { written: string; value: number; precision: number }[] {
  return [...text.matchAll(numberPattern)].map(([written]) => {
    const decimals = written.split('.')[1]?.length ?? 0;
    return { written, value: Number(written.replaceAll(',', '')), precision: 0.5 * 10 ** -decimals };
  });
}
