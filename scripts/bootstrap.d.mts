import type { SpawnOptions } from 'node:child_process';

export const root: string;
export function installFingerprint(folder: string): string;
export function isInstalled(folder: string): boolean;
export function ensureInstalled(folder: string, install?: (folder: string) => Promise<number>): Promise<number>;
export function installChanges(folder: string): Promise<number>;
export function run(command: string, args: readonly string[], options?: SpawnOptions): Promise<number>;
export function runInWorkspace(args: readonly string[]): Promise<number>;
