import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { skill } from '../../server/skill.ts';
import { type ChosenModel, meshTool, runAgentSkill } from '../index.ts';

/** An agent whose tools are lines in a file: one reads, one acts once it is approved. */

const Report = z.strictObject({ door: z.string(), opened: z.boolean().nullable(), text: z.string() });

/** Makes the skills of an agent that opens doors; what was done stands in `<folder>/effects.log`. */
export function errandSkills(folder: string, model: () => ChosenModel | Promise<ChosenModel>) {
  const log = (line: string): void => appendFileSync(join(folder, 'effects.log'), `${line}\n`);
  const openDoor = (options: { needsApproval: boolean; idempotent?: boolean }) =>
    meshTool({
      name: 'open_door',
      description: 'Opens one door of the building',
      parameters: z.strictObject({ door: z.string(), minutes: z.int().min(1).max(10).default(2) }),
      ...options,
      async execute({ door, minutes }, { idempotencyKey }) {
        log(`open ${door} ${minutes} ${idempotencyKey}`);
        return { opened: true };
      },
    });
  const findDoor = meshTool({
    name: 'find_door',
    description: 'Finds the door of a room',
    parameters: z.strictObject({ room: z.string() }),
    readOnly: true,
    async execute({ room }) {
      log(`find ${room}`);
      return { door: `${room}-door` };
    },
  });
  const errand = (options: { needsApproval: boolean; idempotent?: boolean }, instructions: string) =>
    skill(
      {
        input: z.strictObject({ room: z.string().optional(), rooms: z.array(z.string()).optional() }),
        output: Report.extend({ model: z.string(), calls: z.array(z.unknown()) }),
      },
      async ({ input, task, resumed }) => {
        const {
          output,
          model: name,
          toolCalls,
        } = await runAgentSkill({
          agent: { name: 'porter', instructions, tools: [findDoor, openDoor(options)] },
          model: await model(),
          input,
          task,
          ...(resumed && { resumed }),
          outputSchema: Report,
        });
        return { ...output, model: name, calls: toolCalls };
      },
    );
  const handedOver = skill(
    { input: z.strictObject({ room: z.string(), door: z.string() }), output: Report },
    async ({ input, task, resumed }) => {
      const key = { name: 'Keyholder', instructions: 'Use open_door.', tools: [openDoor({ needsApproval: true })] };
      const { output } = await runAgentSkill({
        agent: { name: 'porter', instructions: 'Hand over to Keyholder.', handoffs: [key] },
        model: await model(),
        input,
        task,
        ...(resumed && { resumed }),
        outputSchema: Report,
        approvals: { assignee: 'guard', timeoutMs: 60_000 },
      });
      return output;
    },
  );
  const one = 'Find the door of the room with find_door. Then open it with open_door.';
  return {
    open: errand({ needsApproval: true }, one),
    'open-freely': errand({ needsApproval: false }, one),
    'open-again': errand({ needsApproval: true, idempotent: true }, one),
    'open-by-another': handedOver,
    'open-all': errand(
      { needsApproval: true },
      'Find the door of each of the rooms with find_door and open all of them with open_door.',
    ),
  };
}
