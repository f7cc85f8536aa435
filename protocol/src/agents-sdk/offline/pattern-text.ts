import { type AST, RegExpParser } from '@eslint-community/regexpp';

/** How often a repetition is taken at most beyond what it demands, and how many characters of a class are tried. */
const maxExtra = 60;

/** A text made by a regular expression that fits; undefined where none is found. */
export function textOfPattern(pattern: string, fits: (text: string) => boolean): string | undefined {
  const alternatives = alternativesOfPattern(pattern);
  for (let extra = 0; extra <= maxExtra; extra++) {
    // Assertions are not followed: `fits` judges them.
    const text = alternatives.map((each) => ofAlternative(each, extra)).find(fits);
    if (text !== undefined) return text;
  }
  return undefined;
}

function alternativesOfPattern(pattern: string): readonly AST.Alternative[] {
  try {
    return new RegExpParser().parsePattern(pattern, 0, pattern.length, { unicode: true }).alternatives;
  } catch {
    return [];
  }
}

const ofAlternative = ({ elements }: AST.Alternative, extra: number): string =>
  elements.map((element) => ofElement(element, extra)).join('');

function ofElement(element: AST.Element, extra: number): string {
  switch (element.type) {
    case 'Character':
      return String.fromCodePoint(element.value);
    case 'CharacterClass':
    case 'CharacterSet':
    case 'ExpressionCharacterClass':
      return characterOf(element.raw, extra);
    case 'CapturingGroup':
    case 'Group':
      return element.alternatives.map((each) => ofAlternative(each, extra))[0] ?? '';
    case 'Quantifier':
      return ofElement(element.element, extra).repeat(Math.min(element.max, element.min + extra));
    case 'Assertion':
    case 'Backreference':
      return '';
    default:
      return element satisfies never;
  }
}

const characters = Array.from(
  'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,-_!"#$%&\'()*+/:;<=>?@[]^`{|}~\\\t\n',
);

/** One of the plain characters of a class, another one each time. */
function characterOf(characterClass: string, turn: number): string {
  const expression = new RegExp(`^${characterClass}$`, 'u');
  const fitting = characters.filter((character) => expression.test(character));
  return fitting[turn % fitting.length] ?? '';
}
