import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import type { AnnounceOptions, PresenceListener, PresentAgent, WatchPresenceOptions } from '../presence.ts';
import type { NatsLink } from './nats-link.ts';
import { presenceSubject } from './nats-names.ts';

const Announcement = z.object({
  kind: z.enum(['here', 'leaving']),
  name: z.string().min(1).max(200),
  url: z.url({ protocol: /^https?$/u }).max(500),
});

const defaultEveryMs = 5_000;
const defaultSilentMs = 16_000;
/** What is larger is no announcement, and not worth reading. */
const maxAnnouncementBytes = 4_096;
const goodByeMs = 1_000;
/** An agent that stays silent for so many times the silence counts as gone. */
const silencesUntilGone = 40;

export function announce(link: NatsLink, { name, url, everyMs = defaultEveryMs }: AnnounceOptions): AsyncDisposable {
  const closing = new AbortController();
  const say = (kind: 'here' | 'leaving'): void =>
    link.session.connection.publish(presenceSubject, JSON.stringify({ kind, name, url }));
  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      if (!(await link.arrival(closing.signal).catch(() => undefined))) return;
      try {
        say('here');
      } catch {
        // The server went in this moment; it is said again.
      }
      await sleep(everyMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await running;
      try {
        say('leaving');
        await Promise.race([link.session.connection.flush(), sleep(goodByeMs)]);
      } catch {
        // Without a server nobody can be told; silence says the same a little later.
      }
      await link.close();
    },
  };
}

export function watch(link: NatsLink, options: WatchPresenceOptions): AsyncDisposable {
  const { logger, silentMs = defaultSilentMs } = options;
  const heard = new HeardAgents(options, silentMs);
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!link.signal.aborted) {
      try {
        const { connection } = await link.arrival();
        heard.forgive();
        const ended = await listen(connection, (announcement) => heard.hear(announcement));
        if (ended) throw ended;
      } catch (err) {
        // One line, also where it may never hear them.
        if (!link.signal.aborted)
          logger[failures++ === 0 ? 'warn' : 'debug']({ err }, 'announcements of agents cannot be heard; trying again');
      }
      await sleep(1_000, undefined, { signal: link.signal }).catch(() => undefined);
    }
  };
  const running = run();
  const timer = setInterval(() => {
    // While the server is away nobody can be heard, which says nothing about the agents.
    if (link.isConnected) heard.checkSilence();
    else heard.forgive();
  }, silentMs / 4).unref();
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await link.close();
      await running;
    },
  };
}

/** Until the connection ends. Each message is dealt with as it is read, so that a flood of them waits at its sender. */
function listen(
  connection: NatsConnection,
  hear: (announcement: z.infer<typeof Announcement>) => void,
): Promise<void | Error> {
  const subscription = connection.subscribe(presenceSubject, {
    callback: (err, message) => {
      const announcement = err ? undefined : parse(message.data);
      if (announcement) hear(announcement);
    },
  });
  return Promise.race([subscription.closed, connection.closed()]);
}

/** When those that the listener follows were heard last, by their origin. */
class HeardAgents {
  readonly #listener: PresenceListener;
  readonly #silentMs: number;
  readonly #agents = new Map<string, PresentAgent & { at: number; isSilent: boolean }>();

  constructor(listener: PresenceListener, silentMs: number) {
    this.#listener = listener;
    this.#silentMs = silentMs;
  }

  hear({ kind, name, url }: z.infer<typeof Announcement>): void {
    const agent = { name, url: new URL(url).origin };
    if (kind === 'leaving') {
      this.#agents.delete(agent.url);
      this.#listener.onLeft(agent);
      return;
    }
    this.#listener.onHere(agent);
    if (this.#listener.follows(agent.url)) this.#agents.set(agent.url, { ...agent, at: Date.now(), isSilent: false });
    else this.#agents.delete(agent.url);
  }

  checkSilence(): void {
    for (const { name, url, at, isSilent } of this.#agents.values()) {
      if (!this.#listener.follows(url)) {
        this.#agents.delete(url);
        continue;
      }
      const silenceMs = Date.now() - at;
      if (silenceMs > this.#silentMs * silencesUntilGone) this.hear({ kind: 'leaving', name, url });
      else if (silenceMs > this.#silentMs && !isSilent) {
        this.#agents.set(url, { name, url, at, isSilent: true });
        this.#listener.onSilent({ name, url });
      }
    }
  }

  /** Counts silence from now on. */
  forgive(): void {
    for (const agent of this.#agents.values()) agent.at = Date.now();
  }
}

function parse(data: Uint8Array): z.infer<typeof Announcement> | undefined {
  if (data.length > maxAnnouncementBytes) return undefined;
  try {
    return Announcement.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    // Not JSON: not from an agent of the mesh.
    return undefined;
  }
}
