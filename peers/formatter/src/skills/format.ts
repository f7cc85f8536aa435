import { convert } from 'html-to-text';
import { htmlToMarkdown } from '../html-to-markdown.ts';
import { escapeHtml, toSafeHtml } from '../safe-html.ts';

type Form = 'markdown' | 'html' | 'text';

const mediaTypes = { markdown: 'text/markdown', html: 'text/html', text: 'text/plain' } as const;

const writers: Record<Form, (html: string) => string> = {
  html: (html) => html,
  markdown: htmlToMarkdown,
  text: (html) =>
    convert(html, {
      wordwrap: false,
      selectors: [
        ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
        { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
        { selector: 'table', format: 'dataTable', options: { uppercaseHeaderCells: false } },
      ],
    }),
};

/** Renders a Markdown draft; the title becomes its first heading. */
export function format(input: { title?: string | undefined; text: string; as: Form }): {
  content: string;
  mediaType: (typeof mediaTypes)[Form];
} {
  const heading = input.title === undefined ? '' : `<h1>${escapeHtml(input.title.trim())}</h1>\n`;
  const content = writers[input.as](heading + toSafeHtml(input.text)).trim();
  return { content: `${content}\n`, mediaType: mediaTypes[input.as] };
}
