/** What `build.ts` finds its caches by and hands on to Go. The package itself is given an environment by its caller. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;
