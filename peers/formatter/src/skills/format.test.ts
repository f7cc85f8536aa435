import MarkdownIt from 'markdown-it';
import sanitizeHtml from 'sanitize-html';
import { describe, expect, it } from 'vitest';
import { format } from './format.ts';

const html = (text: string) => format({ text, as: 'html' }).content;
const markdown = (text: string) => format({ text, as: 'markdown' }).content;
const text = (draft: string) => format({ text: draft, as: 'text' }).content;

const attacks = [
  '<script>alert(1)</script>',
  'x <script>alert(1)</script> y',
  '<SCRIPT SRC=https://evil.example/x.js></SCRIPT>',
  '<scr<script>ipt>alert(1)</scr</script>ipt>',
  '<img src=x onerror=alert(1)>',
  '<img src="https://a.example/i.png" onload="alert(1)">',
  '<img src="javascript:alert(1)">',
  '<svg onload=alert(1)></svg>',
  '<svg><script>alert(1)</script></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  '<iframe src="https://evil.example"></iframe>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<object data="javascript:alert(1)"></object>',
  '<embed src="javascript:alert(1)">',
  '<form action="https://evil.example"><input name=a><button formaction="javascript:alert(1)">go</button></form>',
  '<a href="javascript:alert(1)">x</a>',
  '<a href="JaVaScRiPt:alert(1)">x</a>',
  '<a href="java&#x09;script:alert(1)">x</a>',
  '<a href="&#106;avascript:alert(1)">x</a>',
  '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  '<a href="vbscript:msgbox(1)">x</a>',
  '<a href="//evil.example">x</a>',
  '<a href="https://a.example" onclick="alert(1)" style="position:fixed">x</a>',
  '<div style="background:url(javascript:alert(1))">x</div>',
  '<td style="width:expression(alert(1))">x</td>',
  '<style>@import "https://evil.example/x.css";</style>',
  '<link rel=stylesheet href="https://evil.example/x.css">',
  '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
  '<base href="https://evil.example/">',
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
  '<textarea><img src=x onerror=alert(1)></textarea>',
  '<xmp><img src=x onerror=alert(1)></xmp>',
  '<!--><img src=x onerror=alert(1)>-->',
  '<template><script>alert(1)</script></template>',
  '<video><source onerror="alert(1)"></video>',
  '<details open ontoggle=alert(1)>x</details>',
  '<p id="constructor" name="__proto__">x</p>',
  '[x](javascript:alert(1))',
  '[x](JAVASCRIPT:alert(1))',
  '[x](<javascript:alert(1)>)',
  '[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[x](vbscript:alert(1))',
  '![x](javascript:alert(1))',
  '![x](data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=)',
  '![x](x"onerror="alert(1))',
  '[x]: javascript:alert(1)\n\n[x]',
  '<javascript:alert(1)>',
  '[a](https://a.example "\\" onmouseover=\\"alert(1)")',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;',
  '\\<img src=x onerror=alert(1)>',
  '`<img src=x onerror=alert(1)>`',
  '```\n<script>alert(1)</script>\n```',
  '```"><script>alert(1)</script>\ncode\n```',
  '| a |\n|---|\n| <img src=x onerror=alert(1)> |',
  '`a` | <b onmouseover=alert(1)>x',
];

/** The tags of a document that a browser would build, with what is dangerous about them. */
function dangersIn(document: string): string[] {
  const dangers: string[] = [];
  sanitizeHtml(document, {
    allowedTags: false,
    allowedAttributes: false,
    allowVulnerableTags: true,
    onOpenTag: (name, attributes) => {
      if (/^(?:script|style|iframe|object|embed|form|input|button|svg|math|link|meta|base|template)$/u.test(name)) {
        dangers.push(name);
      }
      for (const [attribute, value] of Object.entries(attributes)) {
        const address = attribute === 'href' || attribute === 'src' ? value : '';
        if (attribute.startsWith('on') || attribute === 'id' || attribute === 'srcdoc') dangers.push(attribute);
        if (/^\s*(?:\/\/|(?!https?:|mailto:)[a-z\s]+:)/iu.test(address)) dangers.push(address);
      }
    },
  });
  return dangers;
}

describe('format, attacked', () => {
  it('knows danger when it sees it', () => {
    expect(attacks.filter((attack) => attack.startsWith('<') && dangersIn(attack).length > 0).length).toBeGreaterThan(
      25,
    );
    expect(dangersIn('<a href="https://a.example" title="t">x</a>')).toEqual([]);
  });

  it.each(attacks)('writes harmless HTML for %s', (attack) => {
    expect(dangersIn(html(attack))).toEqual([]);
  });

  // Whoever renders our Markdown may leave HTML in it alone and accept every address.
  const careless = new MarkdownIt({ html: true });
  careless.validateLink = () => true;

  it.each(attacks)('writes Markdown that stays harmless in a careless renderer for %s', (attack) => {
    expect(dangersIn(careless.render(markdown(attack)))).toEqual([]);
  });

  it('escapes the title in every form', () => {
    const title = '<img src=x onerror=alert(1)> & *co*';
    const as = (form: 'html' | 'markdown' | 'text') => format({ title, text: 'x', as: form }).content;
    expect(as('html')).toContain('<h1>&lt;img src=x onerror=alert(1)&gt; &amp; *co*</h1>');
    expect(dangersIn(careless.render(as('markdown')))).toEqual([]);
    expect(as('text')).toBe(`${title}\n\nx\n`);
  });

  it.each(['>', '<div>', '- ', '[a', '*a_ ', '**a ', '`', '![[', '<!--'])('survives %s ten thousand times', (piece) => {
    for (const as of ['html', 'markdown', 'text'] as const) {
      expect(format({ text: piece.repeat(10_000), as }).content.length).toBeGreaterThan(0);
    }
  });
});

const draft = `## Heading

Some **bold**, *italic*, ~~gone~~ and [a link](https://a.example/x "title").

- one
- two
  1. first
  2. second

| name | count |
|:----:|------:|
| a\\|b | 1 |

\`\`\`js
if (a < b) run();
\`\`\`

> quoted <b>html</b> & 1 < 2
`;

describe('format', () => {
  it('names the media type', () => {
    expect((['markdown', 'html', 'text'] as const).map((as) => format({ text: 'x', as }).mediaType)).toEqual([
      'text/markdown',
      'text/html',
      'text/plain',
    ]);
  });

  it('writes HTML', () => {
    const content = html(draft);
    expect(content).toContain('<h2>Heading</h2>');
    expect(content).toContain('<strong>bold</strong>');
    expect(content).toContain(
      '<a href="https://a.example/x" title="title" rel="nofollow noopener noreferrer">a link</a>',
    );
    expect(content).toContain('<code class="language-js">if (a &lt; b) run();');
    expect(content).toContain('<th style="text-align:center">name</th>');
    expect(content).toContain('quoted <b>html</b> &amp; 1 &lt; 2');
  });

  it('writes Markdown that means the same', () => {
    expect(html(markdown(draft)).replaceAll(/<\/?b>|<\/?strong>|\s+/gu, '')).toBe(
      html(draft).replaceAll(/<\/?b>|<\/?strong>|\s+/gu, ''),
    );
  });

  it('writes Markdown that does not change when it is formatted again', () => {
    expect(markdown(markdown(draft))).toBe(markdown(draft));
  });

  it('makes a table of any shape one that Markdown has', () => {
    expect(markdown('<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>')).toBe(
      '| a | b |\n| --- | --- |\n| c | d |\n',
    );
  });

  it('writes plain text', () => {
    const content = text(draft);
    expect(content).toContain('Heading\n\nSome bold, italic, gone and a link [https://a.example/x].');
    expect(content).toContain('if (a < b) run();');
    expect(content).not.toMatch(/[*_#]{2}|<b>|&lt;/u);
  });

  it('puts the title first', () => {
    expect(format({ title: ' The *title* ', text: 'Body.', as: 'markdown' }).content).toBe(
      '# The \\*title\\*\n\nBody.\n',
    );
  });

  it('ends with one line break, also where nothing is left', () => {
    expect(text('<script>alert(1)</script>')).toBe('\n');
  });
});
