import { watchPresence } from '@daca-mesh/protocol/events';
import type { Logger } from 'pino';
import type { Directory } from './directory.ts';

/** Lets the directory follow who announces himself on NATS; the coordinator's own announcements are passed over. */
export async function followPresence(
  directory: Pick<Directory, 'announced'>,
  { natsUrl, ownUrl, logger }: { natsUrl: string | undefined; ownUrl: string; logger: Logger },
): Promise<AsyncDisposable | undefined> {
  if (natsUrl === undefined) return undefined;
  const { here, follows, silent, left } = directory.announced;
  const own = new URL(ownUrl).origin;
  return watchPresence({
    natsUrl,
    logger,
    onHere: (agent) => {
      if (agent.url !== own) here(agent);
    },
    follows,
    onSilent: silent,
    onLeft: left,
  });
}
