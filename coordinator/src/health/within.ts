import { MeshError } from '@daca-mesh/protocol';

const limitMs = 10_000;

/** The result of a look, unless it takes so long that it is bad anyway. */
export async function within<T>(look: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(new MeshError('DEADLINE_EXCEEDED', `no answer in ${limitMs / 1_000} s`));
  const timer = setTimeout(late, limitMs);
  try {
    return await Promise.race([look, promise]);
  } finally {
    clearTimeout(timer);
  }
}
