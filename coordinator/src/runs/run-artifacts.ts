import { z } from 'zod';

/** Something a run made, as a file. */
export interface RunArtifact {
  artifactId: string;
  /** The name of the file: plain ASCII, without a path. */
  name: string;
  mediaType: string;
  content: string;
}

const Document = z.looseObject({
  content: z.string(),
  mediaType: z.string().regex(/^[a-z]+\/[a-z0-9][a-z0-9.+-]{0,80}$/),
  title: z.string().nullish(),
});

const extensions: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
};

/**
 * The document in a workflow's output: an output with the fields `content` and `mediaType` (and `title`, for its name) is
 * one. Nothing else is needed for a workflow to make a file of its result.
 */
export function documentOf(workflow: string, output: unknown): RunArtifact | undefined {
  const document = Document.safeParse(output).data;
  if (!document) return undefined;
  const { content, mediaType, title } = document;
  const words =
    (title ?? '')
      .normalize('NFKD')
      .replaceAll(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? [];
  const name = words.join('-').slice(0, 60).replace(/-$/, '') || workflow;
  return { artifactId: 'content', name: `${name}.${extensions[mediaType] ?? 'txt'}`, mediaType, content };
}

/** What a run made: the document in its output, and the output itself as JSON. */
export function artifactsOf({ workflow, output }: { workflow: string; output?: unknown }): RunArtifact[] {
  if (output === undefined) return [];
  const document = documentOf(workflow, output);
  const result: RunArtifact = {
    artifactId: 'result',
    name: `${workflow}-result.json`,
    mediaType: 'application/json',
    content: JSON.stringify(output),
  };
  return [...(document ? [document] : []), result];
}
