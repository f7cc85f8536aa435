import { z } from 'zod';
import { DeviceHealth, DeviceId, DeviceKind, FaultType } from '../device.ts';

/** One use of a tool by the repair agent. */
const RepairAction = z.strictObject({
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  /** What the tool returned. */
  result: z.unknown().optional(),
  /** The caller that allowed it, for a tool that needs it. */
  approvedBy: z.string().optional(),
  /** Why it was not allowed; the tool was not used then. */
  rejected: z.string().optional(),
});

/** Finds out what is wrong with a device and repairs it; every service action needs its caller's approval. */
export const repairDevice = {
  input: z.strictObject({
    kind: DeviceKind,
    deviceId: DeviceId,
    problem: z.string().trim().min(1).max(2_000),
    /** As last seen by the caller; the agent looks for itself. */
    health: DeviceHealth.optional(),
    faults: z.array(FaultType).max(10).optional(),
  }),
  output: z.strictObject({
    outcome: z.enum(['repaired', 'not-repaired', 'declined']),
    actions: z.array(RepairAction),
    report: z.string(),
    /** The model that chose the actions and wrote the report. */
    model: z.string(),
  }),
};
