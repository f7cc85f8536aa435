import TurndownService from 'turndown';
import { addTables } from './markdown-tables.ts';

const turndown = new TurndownService({
  headingStyle: 'atx',
  bulletListMarker: '-',
  codeBlockStyle: 'fenced',
  hr: '---',
});
addTables(turndown);
turndown.addRule('strikethrough', { filter: ['del', 's'], replacement: (content) => `~~${content}~~` });
const escapeMarkdown = turndown.escape.bind(turndown);
// Without this a text that shows a tag or an entity would become one again.
turndown.escape = (text) =>
  escapeMarkdown(text)
    .replaceAll('<', String.raw`\<`)
    .replaceAll(/&(?=#?\w+;)/gu, '&amp;');

/** Writes HTML as Markdown (GitHub flavour). */
export const htmlToMarkdown = (html: string): string => turndown.turndown(html);
