import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draftDiagnosis } from '@daca-mesh/agent-cards';
import type { Answer } from '@daca-mesh/protocol';
import { AgentClient, taskError, taskQuestion, taskResult } from '@daca-mesh/protocol/client';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { type ModelEndpoint, type ModelReply, startModelEndpoint } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { clearCase } from '../../test/start.ts';
import { parseConfig } from '../config.ts';
import { createServer } from '../server.ts';

type Task = Awaited<ReturnType<AgentClient['send']>>;

let endpoint: ModelEndpoint | undefined;
let server: AgentServer | undefined;
let dataDir = '';

/** A diagnostician whose model is a local endpoint with this script; offline without one. */
async function startDiagnostician(...script: ModelReply[]): Promise<AgentClient> {
  dataDir = await mkdtemp(join(tmpdir(), 'diagnostician-'));
  const [first, ...rest] = script;
  if (first) endpoint = await startModelEndpoint(first, ...rest);
  return restart();
}

async function restart(): Promise<AgentClient> {
  await server?.close();
  const model = endpoint ? { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' } : {};
  server = await createServer(parseConfig({ MESH_DATA: dataDir, ...model }), pino({ level: 'silent' }));
  return AgentClient.connect(server.url);
}

afterEach(async () => {
  await server?.close();
  await endpoint?.[Symbol.asyncDispose]();
  [server, endpoint] = [undefined, undefined];
  await rm(dataDir, { recursive: true, force: true });
});

const send = (client: AgentClient, input: object) => client.send({ skill: 'draft-diagnosis', input, blocking: true });
const answer = (client: AgentClient, task: Task, value: object) => {
  const questionId = taskQuestion(task)?.id ?? '';
  return client.answer(task.id, { questionId, action: 'answer', value } satisfies Answer, { blocking: true });
};
const draftOf = (task: Task) => draftDiagnosis.output.parse(taskResult(task));

describe('a draft', () => {
  it('names conditions with confidence and reasons, and decides nothing', async () => {
    const task = await send(await startDiagnostician(), clearCase);
    const draft = draftOf(task);
    expect(draft).toMatchObject({
      urgency: 'urgent',
      recommendedTests: expect.arrayContaining(['chest X-ray']),
      model: 'offline',
      facts: clearCase,
    });
    expect(draft.hypotheses[0]).toMatchObject({ condition: 'Pneumonia', reasons: expect.arrayContaining(['Cough']) });
    expect(draft.disclaimer).toContain('A draft for a clinician, who decides');
    expect(Object.keys(draft)).not.toContain('decision');
  });

  it('is the same for the same facts', async () => {
    const client = await startDiagnostician();
    const [first, second] = await Promise.all([send(client, clearCase), send(client, clearCase)]);
    expect(draftOf(first)).toEqual(draftOf(second));
  });

  it('takes what a clinician said about an earlier one for a fact', async () => {
    const client = await startDiagnostician();
    const remarks = ['Her left leg: swollen calf. Pain on breathing. No fever when I measured.'];
    const draft = draftOf(await send(client, { ...clearCase, measurements: { heartRate: 120 }, remarks }));
    expect(draft.hypotheses[0]?.condition).toBe('Pulmonary embolism');
  });

  it('has no conditions where nothing is recognized, and says what is missing', async () => {
    const unknown = ['symptoms', 'ageYears'];
    const draft = draftOf(
      await send(await startDiagnostician(), { patient: {}, complaint: 'Not myself', symptoms: [], unknown }),
    );
    expect(draft).toMatchObject({ hypotheses: [], urgency: 'soon' });
    expect(draft.missing).toEqual(['the symptoms', "the patient's age in years"]);
  });
});

describe('missing facts', () => {
  const vague = { patient: {}, complaint: 'I have a headache', symptoms: [] };

  it('are asked of the caller, exactly those, over a restart too, and are facts from then on', async () => {
    let client = await startDiagnostician();
    let task = await send(client, vague);
    const question = taskQuestion(task);
    expect(question).toMatchObject({ actions: ['answer'], schema: { type: 'object', additionalProperties: false } });
    const asked = Object.keys(Object(question?.schema?.['properties']));
    expect(asked).toContain('ageYears');
    expect(question?.schema?.['required']).toEqual(asked);
    client = await restart();
    task = await answer(client, task, {
      ...Object.fromEntries(asked.map((key) => [key, null])),
      ageYears: 41,
      'neck-stiffness': true,
    });
    // Each further round asks for something else.
    for (let round = 2; taskQuestion(task); round++) {
      expect(round).toBeLessThanOrEqual(3);
      const more = Object.keys(Object(taskQuestion(task)?.schema?.['properties']));
      expect(more.filter((key) => asked.includes(key))).toEqual([]);
      asked.push(...more);
      task = await answer(client, task, Object.fromEntries(more.map((key) => [key, null])));
    }
    const draft = draftOf(task);
    expect(draft.hypotheses[0]?.condition).toBe('Meningitis');
    expect(draft.facts).toMatchObject({ patient: { ageYears: 41 }, symptoms: [{ name: 'neck-stiffness' }] });
    expect(draft.missing.length).toBeGreaterThan(0);
  });

  it('are asked for three times at most, whatever is answered', async () => {
    const client = await startDiagnostician();
    let task = await send(client, { patient: { ageYears: 40 }, complaint: 'Not myself', symptoms: [] });
    for (let round = 1; round <= 3; round++) {
      expect(taskQuestion(task)?.schema).toMatchObject({ required: ['symptoms'] });
      task = await answer(client, task, { symptoms: ['a blue feeling'] });
    }
    expect(draftOf(task)).toMatchObject({ hypotheses: [], missing: ['the symptoms'] });
  });

  it.each([
    ['a missing fact', {}],
    ['a value out of bounds', { ageYears: 400, symptoms: null }],
    ['a fact that was not asked for', { ageYears: 40, symptoms: null, decision: 'flu' }],
  ])('are refused with %s, and the question stays open', async (_, value) => {
    const client = await startDiagnostician();
    const task = await send(client, { patient: {}, complaint: 'Not myself', symptoms: [] });
    await expect(answer(client, task, value)).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    expect(taskQuestion(await client.get(task.id))?.id).toBe(taskQuestion(task)?.id);
  });
});

const reasoned = (condition: string, reasons = ['Because.']) =>
  ({ answer: JSON.stringify({ hypotheses: [{ condition, reasons, against: [] }] }) }) satisfies ModelReply;

describe('a model', () => {
  it('matches findings by the tool and words the reasons, while confidence and urgency are computed', async () => {
    const client = await startDiagnostician(
      { calls: [{ name: 'match_findings', arguments: { present: ['cough'], absent: [] } }] },
      reasoned('Influenza', ['She coughs.']),
    );
    const draft = draftOf(await send(client, clearCase));
    expect(draft).toMatchObject({ model: 'test-model', urgency: 'urgent', recommendedTests: ['influenza swab'] });
    expect(draft.hypotheses).toMatchObject([{ condition: 'Influenza', reasons: ['She coughs.'] }]);
    expect(draft.hypotheses[0]?.confidence).toBeLessThan(0.6);
    expect(JSON.stringify(endpoint?.requests[1])).toContain('Common cold');
  });

  it('cannot match a finding that the case does not have', async () => {
    const client = await startDiagnostician(
      { calls: [{ name: 'match_findings', arguments: { present: ['leg-swelling'], absent: [] } }] },
      reasoned('Pneumonia'),
    );
    draftOf(await send(client, clearCase));
    expect(JSON.stringify(endpoint?.requests[1])).toContain('the case does not say: leg-swelling');
  });

  it.each([
    ['a condition that nothing speaks for', reasoned('Malaria')],
    ['a condition without reasons', reasoned('Pneumonia', [])],
    ['no condition', { answer: '{"hypotheses":[]}' }],
    [
      'a condition twice',
      {
        answer: JSON.stringify({
          hypotheses: ['Pneumonia', 'Pneumonia'].map((condition) => ({ condition, reasons: ['x'], against: [] })),
        }),
      },
    ],
  ])('that names %s is refused', async (_, reply) => {
    const task = await send(await startDiagnostician(reply), clearCase);
    expect(taskError(task)).toMatchObject({ retryable: true, details: { code: 'INVALID_OUTPUT' } });
  });
});
