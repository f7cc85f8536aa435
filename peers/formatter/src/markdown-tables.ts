import type TurndownService from 'turndown';

/** What is needed of a DOM element; the types of the DOM are no part of Node. */
interface Element {
  readonly tagName: string;
  readonly parentElement: Element | null;
  readonly firstElementChild: Element | null;
  readonly previousElementSibling: Element | null;
  readonly nextElementSibling: Element | null;
  getAttribute(name: string): string | null;
}

/** Teaches Turndown the tables of GitHub's Markdown. */
export function addTables(turndown: TurndownService): void {
  turndown.addRule('cell', {
    filter: ['th', 'td'],
    replacement: (content) =>
      ` ${content
        .trim()
        .replaceAll('|', String.raw`\|`)
        .replaceAll(/\s*\n\s*/gu, ' ')} |`,
  });
  turndown.addRule('row', {
    filter: 'tr',
    replacement: (content, node: Element) => `\n|${content}${isHeading(node) ? `\n|${delimiters(node)}` : ''}`,
  });
  turndown.addRule('section', { filter: ['thead', 'tbody', 'tfoot'], replacement: (content) => content });
  turndown.addRule('table', { filter: 'table', replacement: (content) => `\n\n${content.trim()}\n\n` });
}

/** Markdown has no table without a heading: the first row is one. */
function isHeading(row: Element): boolean {
  const section = row.parentElement;
  const isFirst = !row.previousElementSibling;
  return isFirst && (section?.tagName === 'TABLE' || !section?.previousElementSibling);
}

function delimiters(row: Element): string {
  let line = '';
  for (let cell = row.firstElementChild; cell; cell = cell.nextElementSibling) {
    line += ` ${delimiter(cell.getAttribute('style') ?? '')} |`;
  }
  return line;
}

function delimiter(style: string): string {
  if (style.includes('center')) return ':-:';
  if (style.includes('right')) return '--:';
  return '---';
}
