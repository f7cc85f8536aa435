/** What the standalone program takes from its environment: one variable, whose name the command line gives. */
export function readApiToken(variable: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const token = environment[variable];
  return token === '' ? undefined : token;
}
