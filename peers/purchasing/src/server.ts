import {
  cancelOrder,
  confirmOrder,
  getOrder,
  loadCard,
  placeOrder,
  quoteOrder,
  reserveOrder,
} from '@daca-mesh/agent-cards';
import {
  type AgentServer,
  createAgentServer,
  openSqliteDatabase,
  serverSettings,
  skill,
  taskSchema,
} from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { purchasingSchema } from './purchasing-tables.ts';
import { cancel } from './skills/cancel-order.ts';
import { confirm } from './skills/confirm-order.ts';
import { readOrderWithEvents } from './skills/get-order.ts';
import { place } from './skills/place-order.ts';
import { quote } from './skills/quote-order.ts';
import { reserve } from './skills/reserve-order.ts';

/**
 * Starts the purchasing agent. Orders and tasks share one database file. Each skill is one commit and idempotent by the
 * order's id, so that a task that runs again after a crash, or a caller who asks again, changes nothing.
 */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const settings = serverSettings(config);
  const database = openSqliteDatabase({ ...settings.database, schemas: [taskSchema, purchasingSchema] });
  return createAgentServer({
    ...settings,
    card: loadCard('purchasing'),
    database,
    resources: database,
    logger,
    skills: {
      'quote-order': skill(quoteOrder, ({ input }) => database.write(() => quote(input))),
      'reserve-order': skill(reserveOrder, ({ input }) => database.write(() => reserve(input))),
      'place-order': skill(placeOrder, ({ input }) => database.write(() => place(input))),
      'confirm-order': skill(confirmOrder, ({ input }) => database.write(() => confirm(input))),
      'cancel-order': skill(cancelOrder, ({ input }) => database.write(() => cancel(input))),
      'get-order': skill(getOrder, ({ input }) => database.read(() => readOrderWithEvents(input.orderId))),
    },
  });
}
