import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const regions = ['north', 'south', 'east', 'west'];
const products = [
  { name: 'heat pump', price: 4_200 },
  { name: 'solar panel', price: 310 },
  { name: 'wall battery', price: 2_900 },
];

/**
 * Makes the sample data where it is not there yet: a year of orders of a small company, the same on every machine.
 * @returns the path of the database
 */
export function createSampleDatabase(folder: string): string {
  const path = join(folder, 'sample.db');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  // Made beside it, so that a crash leaves no half of it under its name.
  const draft = `${path}.draft`;
  rmSync(draft, { force: true });
  using database = new DatabaseSync(draft);
  database.exec(`
    CREATE TABLE orders (
      order_id INTEGER PRIMARY KEY, month TEXT NOT NULL, region TEXT NOT NULL, product TEXT NOT NULL,
      units INTEGER NOT NULL, amount REAL NOT NULL) STRICT;
    CREATE TABLE visits (month TEXT NOT NULL, region TEXT NOT NULL, visits INTEGER NOT NULL) STRICT;
    BEGIN;
  `);
  const insertOrder = database.prepare(
    'INSERT INTO orders (month, region, product, units, amount) VALUES (?, ?, ?, ?, ?)',
  );
  const insertVisits = database.prepare('INSERT INTO visits VALUES (?, ?, ?)');
  for (let month = 0; month < 12; month++) {
    const name = `2025-${String(month + 1).padStart(2, '0')}`;
    for (const [place, region] of regions.entries()) {
      for (const [kind, { name: product, price }] of products.entries()) {
        // More in summer, more of the cheap ones, and one region that grows.
        const season = Math.round(6 * Math.sin((Math.PI * month) / 11));
        const units = 3 + season + (kind === 1 ? 8 : 0) + (place === 1 ? month : place) + ((month * 7 + place * 3) % 4);
        insertOrder.run(name, region, product, units, units * price);
      }
      insertVisits.run(name, region, 800 + 40 * month + ((month * 31 + place * 57) % 100));
    }
  }
  database.exec('COMMIT');
  renameSync(draft, path);
  return path;
}
