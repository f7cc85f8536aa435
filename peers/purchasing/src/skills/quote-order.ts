import type { Money, OrderItems, OrderLine, SkillMap } from '@daca-mesh/agent-cards';
import { digest, MeshError } from '@daca-mesh/protocol';
import { all, first, run, type Unit } from '@daca-mesh/protocol/server';
import { conflict, linesOf, toTime } from '../orders.ts';
import { query, type QuoteRow } from '../purchasing-tables.ts';

type Output = SkillMap['quote-order']['output'];

interface Input {
  orderId: string;
  items: OrderItems;
  reference?: string | null | undefined;
}

/** How long a quote holds. */
const quoteValidMs = 7 * 24 * 60 * 60 * 1000;

/**
 * Prices an order; as long as its quote holds, it is the same quote.
 * @throws MeshError `NOT_FOUND` for an article that is unknown, `INVALID_ARGUMENT` where the articles are not sold in one
 *   currency, `ORDER_CONFLICT` where the id stands for other items or another purchase.
 */
export function* quote({ orderId, items, reference = null }: Input): Unit<Output> {
  const at = Date.now();
  const known = yield* readQuote(orderId);
  if (known) requireSameItems(known, items);
  if (known && known.reference !== reference) throw conflict(orderId, 'was quoted for another purchase');
  if (known && known.valid_until > at) return toOutput(known);
  const { lines, total } = yield* priceOf(items);
  const priced = {
    items_digest: digestOf(items),
    reference,
    lines: JSON.stringify(lines),
    ...total,
    valid_until: at + quoteValidMs,
  };
  const row = { order_id: orderId, ...priced };
  yield* run(
    query
      .insertInto('quotes')
      .values(row)
      .onConflict((conflicting) => conflicting.column('order_id').doUpdateSet(priced))
      .compile(),
  );
  return toOutput(row);
}

/** The quote of an order, also one that does not hold any more. */
export const readQuote = (orderId: string): Unit<QuoteRow | undefined> =>
  first(query.selectFrom('quotes').selectAll().where('order_id', '=', orderId).compile());

/** @throws MeshError `ORDER_CONFLICT` when the order was quoted for other items. */
export function requireSameItems({ order_id, items_digest }: QuoteRow, items: OrderItems): void {
  if (items_digest !== digestOf(items)) throw conflict(order_id, 'was quoted for other items');
}

/** The order in which articles are named does not matter. */
const digestOf = (items: OrderItems): string => digest(items.toSorted((a, b) => (a.sku < b.sku ? -1 : 1)));

function* priceOf(items: OrderItems): Unit<{ lines: OrderLine[]; total: Money }> {
  const skus = items.map(({ sku }) => sku);
  const articles = yield* all(query.selectFrom('catalog').selectAll().where('sku', 'in', skus).compile());
  const bySku = new Map(articles.map((article) => [article.sku, article]));
  const lines = items.map(({ sku, quantity }): OrderLine => {
    const article = bySku.get(sku);
    if (!article) throw new MeshError('NOT_FOUND', `there is no article ${sku}`);
    const { name, unit_amount: unitAmount } = article;
    return { sku, name, quantity, unitAmount, amount: unitAmount * quantity };
  });
  const [currency = '', ...others] = new Set(articles.map((article) => article.currency));
  if (others.length > 0) {
    throw new MeshError('INVALID_ARGUMENT', `one order has one currency, not ${[currency, ...others].join(' and ')}`);
  }
  return { lines, total: { amount: lines.reduce((sum, { amount }) => sum + amount, 0), currency } };
}

const toOutput = (row: QuoteRow): Output => ({
  orderId: row.order_id,
  lines: linesOf(row),
  total: { amount: row.amount, currency: row.currency },
  validUntil: toTime(row.valid_until),
});
