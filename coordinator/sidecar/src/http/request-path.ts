import { badRequest } from './http-error.ts';

/** A request's path, cleaned as daprd cleans it: no empty segments, dots resolved, then each segment decoded. */
export interface RequestPath {
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** @throws HttpError if the path is not correctly escaped. */
export function parsePath(url: string): RequestPath {
  const [path = '', ...query] = url.split('?');
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return { segments: segments.map(decode), query: new URLSearchParams(query.join('?')) };
}

/** As in a query: daprd takes a plus for a space in paths, too. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment.replaceAll('+', ' '));
  } catch {
    throw badRequest('the path is not correctly escaped');
  }
}
