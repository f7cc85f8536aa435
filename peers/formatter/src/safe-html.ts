import MarkdownIt from 'markdown-it';
import sanitizeHtml from 'sanitize-html';

/**
 * Markdown becomes HTML, and that is reduced to a list of harmless elements, attributes and address schemes. Every
 * output is made from the result, so what was removed is gone from all of them.
 */
const markdown = new MarkdownIt({ html: true });

const policy: sanitizeHtml.IOptions = {
  allowedTags: [...sanitizeHtml.defaults.allowedTags, 'del', 'img', 'ins'],
  allowedAttributes: {
    a: ['href', 'title', 'rel'],
    img: ['src', 'alt', 'title'],
    ol: ['start'],
    td: ['style'],
    th: ['style'],
  },
  allowedClasses: { code: ['language-*'] },
  allowedStyles: { '*': { 'text-align': [/^(?:left|right|center)$/u] } },
  allowedSchemes: ['http', 'https', 'mailto'],
  allowProtocolRelative: false,
  // Deeper nesting says nothing to a reader and exhausts the stack of whoever renders it.
  nestingLimit: 50,
  transformTags: { a: sanitizeHtml.simpleTransform('a', { rel: 'nofollow noopener noreferrer' }) },
  // An image whose address was removed shows nothing.
  exclusiveFilter: ({ tag, attribs }) => tag === 'img' && attribs['src'] === undefined,
};

/** Renders Markdown as HTML that contains nothing a browser would execute. */
export const toSafeHtml = (text: string): string => sanitizeHtml(markdown.render(text), policy);

/** Plain text as HTML. */
export const escapeHtml = (text: string): string => markdown.utils.escapeHtml(text);
