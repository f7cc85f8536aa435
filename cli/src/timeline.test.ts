import { describe, expect, it } from 'vitest';
import { drawTimeline } from './timeline.ts';
import { isFinal, type TimelineEntry, timelineTypes } from './timeline-entry.ts';

const entry = (seq: number, type: TimelineEntry['type'], more: Partial<TimelineEntry> = {}): TimelineEntry => ({
  seq,
  at: new Date(Date.UTC(2026, 0, 1) + seq * 10).toISOString(),
  type,
  ...more,
});

const call = (callId: string, more: Partial<TimelineEntry> = {}) => ({
  callId,
  agent: `agent-${callId}`,
  attempt: 1,
  ...more,
});

function draw(entries: TimelineEntry[]): string[] {
  const drawing = drawTimeline();
  return entries.map((each) => drawing.line(each));
}

describe('drawTimeline', () => {
  it('draws calls at the same time as lanes that leave and join the run', () => {
    const lines = draw([
      entry(0, 'run-started', { data: { workflow: 'w' } }),
      entry(1, 'call-sent', call('a', { data: { skill: 'x' } })),
      entry(2, 'call-sent', call('b', { data: { skill: 'y' } })),
      entry(3, 'call-progress', call('a', { data: { text: 'reading' } })),
      entry(4, 'call-completed', call('b')),
      entry(5, 'call-failed', call('a', { data: { failure: { code: 'PEER_FAILED', message: 'no luck' } } })),
      entry(6, 'call-sent', call('a', { attempt: 2, data: { skill: 'x' } })),
      entry(7, 'call-completed', call('a', { attempt: 2 })),
      entry(8, 'run-completed'),
    ]);
    expect(lines).toMatchInlineSnapshot(`
      [
        "       +0 ms  ●       started w",
        "      +10 ms  ├─╮     agent-a <- x, attempt 1",
        "      +20 ms  ├─┼─╮   agent-b <- y, attempt 1",
        "      +30 ms  │ ∙ │   agent-a reading",
        "      +40 ms  ├─┼─╯   agent-b completed in 20 ms, attempt 1",
        "      +50 ms  ├─╯     agent-a failed in 40 ms, attempt 1: PEER_FAILED: no luck",
        "      +60 ms  ├─╮     agent-a <- x, attempt 2",
        "      +70 ms  ├─╯     agent-a completed in 10 ms, attempt 2",
        "      +80 ms  ●       completed",
      ]
    `);
  });

  it('describes every type of entry without data', () => {
    for (const type of timelineTypes) {
      const [line] = draw([entry(0, type, call('a'))]);
      expect(line).not.toMatch(/undefined|\[object|NaN/);
    }
  });

  it('says in words that a time limit begins', () => {
    const lines = draw([
      entry(0, 'waiting', { data: { event: 'mesh:time-limit', waitId: 'w1' } }),
      entry(1, 'waiting', { data: { event: 'approval_received', waitId: 'w2' } }),
    ]);
    expect(lines).toEqual([
      expect.stringMatching(/● +a time limit begins$/),
      expect.stringMatching(/waits for approval_received$/),
    ]);
  });

  it('says which child an entry is about', () => {
    const [line] = draw([entry(0, 'call-sent', call('a', { child: { runId: 'x', path: '0[kitchen]:2' } }))]);
    expect(line).toMatch(/0\[kitchen\]:2: agent-a <-/);
  });

  it('says why a run is stalled, and what it is warned of', () => {
    const lines = draw([
      entry(0, 'run-stalled', { data: { reason: 'WORKFLOW_NOT_FOUND', message: 'this process has no workflow w@1' } }),
      entry(1, 'run-resumed', { data: { reason: 'its workflow goes on' } }),
      entry(2, 'warning', { data: { message: 'its history has 1200 events' } }),
    ]);
    expect(lines).toMatchObject([
      expect.stringContaining('stalled: this process has no workflow w@1'),
      expect.stringContaining('resumed: its workflow goes on'),
      expect.stringContaining('warning: its history has 1200 events'),
    ]);
  });

  it('shows who answered a question, and why', () => {
    const [line] = draw([entry(0, 'question-answered', { data: { action: 'reject', by: 'alice', reason: 'rude' } })]);
    expect(line).toContain('answered: reject by alice "rude"');
  });

  it('keeps what an agent wrote on one line and away from the terminal', () => {
    const text = 'one\ntwo\u001B[2J\u0007';
    const [line] = draw([entry(0, 'call-progress', call('a', { data: { text } }))]);
    expect(line).toMatch(/one two\uFFFD$/);
  });

  it('takes data of an unexpected form for missing', () => {
    const [line] = draw([entry(0, 'question-answered', { data: { action: 7, by: ['x'] } })]);
    expect(line).toMatch(/answered$/);
  });
});

describe('isFinal', () => {
  it('holds for the three ends only', () => {
    expect(timelineTypes.filter((type) => isFinal(entry(0, type)))).toEqual([
      'run-completed',
      'run-failed',
      'run-canceled',
    ]);
  });
});
