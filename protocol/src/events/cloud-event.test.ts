import { describe, expect, it } from 'vitest';
import { createEvent, eventKey, maxEventBytes, parseEvent } from './cloud-event.ts';
import { eventSubject } from './nats/nats-names.ts';

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
const event = { specversion: '1.0', id: '1', source: '/test', type: 'Tested' };

describe('createEvent', () => {
  it('makes a complete event', () => {
    const made = createEvent({ type: 'Tested', source: '/test', subject: undefined, data: { a: 1 }, runid: 'r' });
    expect(made).toMatchObject({ specversion: '1.0', type: 'Tested', datacontenttype: 'application/json', runid: 'r' });
    expect(made.id).toMatch(/^[\w-]{36}$/u);
    expect(made).not.toHaveProperty('subject');
    expect(parseEvent(JSON.parse(JSON.stringify(made)))).toEqual(made);
    const bare = createEvent({ type: 'Tested', source: '/test', id: 'x', time: new Date(0) });
    expect(bare).toEqual({ ...event, id: 'x', time: '1970-01-01T00:00:00.000Z' });
  });

  it('refuses what would not be an event', () => {
    for (const fields of [
      { type: '', source: 's' },
      { type: 't', source: 's', Upper: 'x' },
      { type: 't', source: 's', obj: {} },
    ]) {
      expect(() => createEvent(fields)).toThrowError(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});

describe('parseEvent', () => {
  it.each([
    { ...event, data: 'text' },
    { ...event, data: null },
    { ...event, data: [1, { deep: true }] },
    { ...event, data: nested(90) },
    { ...event, data_base64: 'aGk=' },
    { ...event, time: '2026-11-22T10:00:00+01:00', dataschema: 'urn:x', traceparent: '00-a', sequence: 3, ok: true },
  ])('takes %j', (value) => {
    expect(parseEvent(value)).toEqual(value);
  });

  it('takes an attribute that is null for an absent one', () => {
    expect(parseEvent({ ...event, subject: null, data: null, runid: null })).toEqual({ ...event, data: null });
  });

  it.each([
    ['nothing', undefined],
    ['text', 'event'],
    ['a list', [event]],
    ['another version', { ...event, specversion: '0.3' }],
    ['no version', { ...event, specversion: undefined }],
    ['an id that is a number', { ...event, id: 7 }],
    ['an empty id', { ...event, id: '' }],
    ['an id of two lines', { ...event, id: 'a\r\nb: c' }],
    ['an id with a control character of Latin-1', { ...event, id: 'a\u0085' }],
    ['a type with half a surrogate pair', { ...event, type: 'T\uD800' }],
    ['a source with a space', { ...event, source: 'a b' }],
    ['data nested a hundred thousand levels deep', { ...event, data: nested(100_000) }],
    ['an id without end', { ...event, id: 'x'.repeat(257) }],
    ['no source', { ...event, source: undefined }],
    ['no type', { ...event, type: null }],
    ['an empty subject', { ...event, subject: '' }],
    ['a time that is none', { ...event, time: 'yesterday' }],
    ['two kinds of data', { ...event, data: 1, data_base64: 'aGk=' }],
    ['data that is not base64', { ...event, data_base64: '%%' }],
    ['an attribute that is an object', { ...event, run: { id: 1 } }],
    ['an attribute with another name', { ...event, run_id: 'r' }],
    ['an attribute that is a fraction', { ...event, part: 0.5 }],
  ])('refuses %s', (_name, value) => {
    expect(() => parseEvent(value)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', retryable: false }),
    );
  });

  it('says where and what', () => {
    expect(() => parseEvent({ ...event, specversion: '0.3', id: 7 }, '[2]')).toThrowError(
      expect.objectContaining({
        details: {
          violations: [
            expect.objectContaining({ path: '[2].specversion' }),
            expect.objectContaining({ path: '[2].id' }),
          ],
        },
      }),
    );
  });

  it('refuses an event that is too large', () => {
    const large = { ...event, data: 'x'.repeat(maxEventBytes) };
    expect(() => parseEvent(large)).toThrowError(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }));
  });
});

it('tells events apart by source and id', () => {
  expect(eventKey({ source: 'a', id: '1' })).not.toBe(eventKey({ source: 'b', id: '1' }));
});

it.each([
  ['DeviceUnhealthy', 'mesh.events.DeviceUnhealthy'],
  ['com.example.made', 'mesh.events.com.example.made'],
  ['a b*>', 'mesh.events.a%20b%2A%3E'],
  ['.odd..one.', 'mesh.events.%2Eodd%2E%2Eone%2E'],
])('gives the type %s the subject %s', (type, subject) => {
  expect(eventSubject(type)).toBe(subject);
});
