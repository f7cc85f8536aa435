import { z } from 'zod';
import { webhookKey } from './webhook-signature.ts';

/** Where events come from and go to, beside the coordinator's own `/events`. */
export interface EventSettings {
  /** The file with the rules; those that are shipped by default. */
  readonly rulesPath: string | undefined;
  readonly webhooks: readonly string[];
  /** Signs what webhooks get. */
  readonly webhookSecret: string | undefined;
  /** Dapr's pub/sub as the bus, where there is no NATS. */
  readonly pubsub: DaprPubsub | undefined;
}

/** A pub/sub component of Dapr, and the topic that events are published to. */
interface DaprPubsub {
  readonly endpoint: string;
  readonly component: string;
  readonly topic: string;
  readonly apiToken: string | undefined;
}

const httpUrl = z.url({ protocol: /^https?$/u, error: 'must be http or https URLs separated by commas' });

/** The variables of {@link EventSettings}. */
export const eventEnvironment = {
  MESH_RULES: z.string().optional(),
  /** URLs separated by commas. */
  MESH_WEBHOOKS: z
    .string()
    .default('')
    .transform((text) => [...new Set(text.split(/[\s,]+/u).filter((url) => url !== ''))])
    .pipe(z.array(httpUrl).max(20)),
  MESH_WEBHOOK_SECRET: z
    .string()
    .refine((secret) => webhookKey(secret).length >= 16, 'must have 16 bytes at least; after whsec_ in base64')
    .optional(),
  /** `component` or `component/topic`. */
  MESH_PUBSUB: z
    .string()
    .regex(/^[\w.-]+(?:\/[\w.-]+)?$/u, 'expected <component> or <component>/<topic>')
    .optional(),
  DAPR_HTTP_ENDPOINT: z.url({ protocol: /^https?$/u }).default('http://127.0.0.1:3500'),
  DAPR_API_TOKEN: z.string().optional(),
};

/** The topic, and with NATS the subject, that events share where a publisher knows one topic only. */
const defaultTopic = 'mesh.events';

/** The settings in a parsed environment. */
export function toEventSettings(environment: z.infer<z.ZodObject<typeof eventEnvironment>>): EventSettings {
  const [component, topic = defaultTopic] = environment.MESH_PUBSUB?.split('/') ?? [];
  return Object.freeze({
    rulesPath: environment.MESH_RULES,
    webhooks: Object.freeze(environment.MESH_WEBHOOKS),
    webhookSecret: environment.MESH_WEBHOOK_SECRET,
    pubsub:
      component === undefined
        ? undefined
        : Object.freeze({
            endpoint: environment.DAPR_HTTP_ENDPOINT.replace(/\/$/u, ''),
            component,
            topic,
            apiToken: environment.DAPR_API_TOKEN,
          }),
  });
}

/** Nothing beyond the shipped rules. */
export const noEventSettings: EventSettings = Object.freeze({
  rulesPath: undefined,
  webhooks: [],
  webhookSecret: undefined,
  pubsub: undefined,
});
