import type { OrderStatus } from '@daca-mesh/agent-cards';
import { type DatabaseSchema, sqliteQueryBuilder } from '@daca-mesh/protocol/server';
import type { Generated, Selectable } from 'kysely';

/** The tables of this agent. Times are milliseconds since the epoch, amounts minor units of their currency. */
interface PurchasingTables {
  catalog: {
    sku: string;
    name: string;
    unit_amount: number;
    currency: string;
    stock: number;
    /** 0: the supplier does not deliver it any more. Like any catalog this one is behind, and quotes it all the same. */
    deliverable: 0 | 1;
  };
  quotes: {
    order_id: string;
    /** The digest of what was asked for: an order id stands for these items for ever. */
    items_digest: string;
    /** And for this purchase of the caller. */
    reference: string | null;
    lines: string;
    amount: number;
    currency: string;
    valid_until: number;
  };
  /** A canceled order that was never reserved has no items. */
  orders: {
    order_id: string;
    items_digest: string | null;
    lines: string;
    amount: number | null;
    currency: string | null;
    status: OrderStatus;
    reserved_until: number | null;
    supplier_reference: string | null;
    reason: string | null;
    updated_at: number;
  };
  /** Every change of a status, in order: what an auditor reads. */
  order_events: {
    event_id: Generated<number>;
    order_id: string;
    from_status: OrderStatus | null;
    to_status: OrderStatus;
    reason: string | null;
    at: number;
  };
}

export type OrderRow = Selectable<PurchasingTables['orders']>;
export type QuoteRow = Selectable<PurchasingTables['quotes']>;

/** Builds queries over the tables of this agent. */
export const query = sqliteQueryBuilder<PurchasingTables>();

/** The schema of this agent, kept in the file of its task store, with the articles it sells. */
export const purchasingSchema: DatabaseSchema = {
  component: 'purchasing',
  versions: [
    `
    CREATE TABLE catalog (
      sku TEXT PRIMARY KEY, name TEXT NOT NULL, unit_amount INTEGER NOT NULL CHECK (unit_amount >= 0),
      currency TEXT NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0),
      deliverable INTEGER NOT NULL DEFAULT 1 CHECK (deliverable IN (0, 1))) STRICT;
    CREATE TABLE quotes (
      order_id TEXT PRIMARY KEY, items_digest TEXT NOT NULL, reference TEXT, lines TEXT NOT NULL,
      amount INTEGER NOT NULL, currency TEXT NOT NULL, valid_until INTEGER NOT NULL) STRICT;
    CREATE TABLE orders (
      order_id TEXT PRIMARY KEY, items_digest TEXT, lines TEXT NOT NULL, amount INTEGER, currency TEXT,
      status TEXT NOT NULL CHECK (status IN ('reserved', 'expired', 'placed', 'confirmed', 'canceled')),
      reserved_until INTEGER, supplier_reference TEXT UNIQUE, reason TEXT, updated_at INTEGER NOT NULL) STRICT;
    CREATE INDEX orders_reserved ON orders (reserved_until) WHERE status = 'reserved';
    CREATE TABLE order_events (
      event_id INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL REFERENCES orders (order_id),
      from_status TEXT, to_status TEXT NOT NULL, reason TEXT, at INTEGER NOT NULL) STRICT;
    CREATE INDEX order_events_by_order ON order_events (order_id);
    INSERT INTO catalog (sku, name, unit_amount, currency, stock) VALUES
      ('chair', 'Office chair', 45900, 'EUR', 40),
      ('desk', 'Standing desk', 62000, 'EUR', 20),
      ('dock', 'USB-C docking station', 18900, 'EUR', 100),
      ('headset', 'Headset', 14900, 'EUR', 200),
      ('laptop', 'Laptop 14"', 129900, 'EUR', 50),
      ('monitor', 'Monitor 27"', 34900, 'EUR', 80),
      ('server', 'Rack server 2U', 489000, 'EUR', 4),
      ('support-year', 'Support contract, one year', 99900, 'USD', 1000);
    INSERT INTO catalog (sku, name, unit_amount, currency, stock, deliverable) VALUES
      ('projector', 'Projector', 119900, 'EUR', 10, 0);
    `,
  ],
};
