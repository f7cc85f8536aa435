export { type DaprBinaries, daprVersion, findDapr, howToGetDapr } from './binaries.ts';
export { daprProcesses, type DaprOptions, type DaprPorts, type DaprProcess, type StateStore } from './processes.ts';
export { freeDaprPorts } from './ports.ts';
export { type RunningDapr, type RunningProcess, startDapr } from './start.ts';
export { spawnWatched, watchedCommand } from './spawn-watched.ts';
