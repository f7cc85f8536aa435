import type { Database } from '@daca-mesh/protocol/server';
import type { Kind } from './kinds/kind.ts';

/** What the skills of one kind of device work with. */
export interface DeviceAgent<State extends object, Settings> {
  readonly kind: Kind<State, Settings>;
  readonly database: Database;
  /** How long a device takes to do what it is told. */
  readonly commandMs: number;
}
