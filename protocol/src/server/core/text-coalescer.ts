import type { ArtifactFields } from '../skill.ts';

const maxDelayMs = 50;
const maxBufferedCharacters = 64 * 1024;

/** Joins appended text of one artifact, so that a token stream costs some twenty commits a second, not hundreds. */
export class TextCoalescer {
  readonly #write: (fields: ArtifactFields) => Promise<void>;
  #pending: { artifactId: string; name: string | undefined; mediaType: string; text: string } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(write: (fields: ArtifactFields) => Promise<void>) {
    this.#write = write;
  }

  /** Takes a chunk if it is appended text; else writes what is buffered, and then the chunk. */
  async add(fields: ArtifactFields): Promise<void> {
    const text = appendedText(fields);
    if (text === undefined || !fields.artifactId) {
      await this.flush();
      return this.#write(fields);
    }
    const mediaType = fields.parts[0]?.mediaType ?? '';
    if (this.#pending?.artifactId !== fields.artifactId || this.#pending.mediaType !== mediaType) await this.flush();
    if (this.#pending) this.#pending.text += text;
    else this.#pending = { artifactId: fields.artifactId, name: fields.name, mediaType, text };
    if (this.#pending.text.length > maxBufferedCharacters) return this.flush();
    this.#timer ??= setTimeout(() => {
      this.flush().catch((error: unknown) => {
        this.#failure = error;
      });
    }, maxDelayMs);
  }

  /** Writes what is buffered. @throws what an earlier, unobserved write failed with. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending) {
      const { artifactId, name, mediaType, text } = pending;
      const fields: ArtifactFields = {
        artifactId,
        ...(name !== undefined && { name }),
        append: true,
        parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType }],
      };
      this.#writing = this.#writing.then(() => this.#write(fields));
    }
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Drops what is buffered. */
  discard(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending = undefined;
  }
}

function appendedText({ append, lastChunk, parts }: ArtifactFields): string | undefined {
  const [part, ...more] = parts;
  if (!append || lastChunk || more.length > 0 || part?.metadata || part?.filename) return undefined;
  return part?.content?.$case === 'text' ? part.content.value : undefined;
}
