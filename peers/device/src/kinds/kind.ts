import type { DeviceHealth, DeviceKind, FaultType, InjectedFault, ServiceAction } from '@daca-mesh/agent-cards';
import type { SkillSchemas } from '@daca-mesh/protocol/server';
import type { z } from 'zod';

/** What the state of a kind of device does without commands. Pure; times are in milliseconds. */
export interface StateRules<State extends object> {
  readonly name: DeviceKind;
  /** The state of a new device. */
  readonly initial: State;
  /** What became of a state after some time in which nobody touched the device. */
  evolve(state: State, elapsedMs: number, isDrifting: boolean): State;
  /** What a person makes of it by hand; `chance` is from 0 to below 1. */
  touch(state: State, chance: number): State;
}

/** A kind of device. */
export interface Kind<State extends object, Settings> extends StateRules<State> {
  readonly schemas: KindSchemas<State, Settings>;
  /** @throws MeshError `INVALID_ARGUMENT` for settings that do not go together, or not with the state. */
  apply(state: State, settings: Settings): State;
}

/** A device as its skills show it. */
export interface Device<State> {
  deviceId: string;
  name: string;
  room?: string | undefined;
  state: State;
  health: DeviceHealth;
  faults: { type: FaultType; since: string; detail?: string | undefined }[];
  lastSeen: string;
}

/** The schemas of a kind's skills, as `agent-cards` makes them. */
interface KindSchemas<State, Settings> {
  readonly state: z.ZodType<State>;
  readonly set: SkillSchemas<{ deviceId: string } & Settings, { device: Device<State>; previous: State }>;
  readonly get: SkillSchemas<{ deviceId: string }, { device: Device<State> }>;
  readonly list: SkillSchemas<ListInput, { devices: Device<State>[]; nextCursor?: string | undefined }>;
  readonly service: SkillSchemas<
    { deviceId: string; action: ServiceAction },
    { device: Device<State>; resolved: FaultType[]; note: string }
  >;
  readonly fault: SkillSchemas<{ deviceId: string; fault: InjectedFault | null }, { device: Device<State> }>;
}

/** Which devices to list. */
export interface ListInput {
  room?: string | undefined;
  health?: DeviceHealth | undefined;
  limit: number;
  cursor?: string | undefined;
}
