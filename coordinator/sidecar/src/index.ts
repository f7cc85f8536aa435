export type { RetentionPolicy } from './engine/retention.ts';
export type { KillPoint, KillPointListener } from './kill-point.ts';
export type { Logger } from './logger.ts';
export { SidecarError, type SidecarErrorCode } from './sidecar-error.ts';
export { startSidecar, type Sidecar, type SidecarOptions } from './sidecar.ts';
export type { Durability } from './store/sqlite-database.ts';
