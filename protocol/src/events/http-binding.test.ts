import { CloudEvent as ForeignEvent, HTTP } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { createEvent } from './cloud-event.ts';
import { readHttpEvents, toHttpMessage } from './http-binding.ts';

const event = createEvent({ type: 'Tested', source: '/test', subject: 'x', data: { a: [1] }, runid: 'r', id: '1' });
const attributes = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/test', 'ce-type': 'Tested' };
const json = { 'content-type': 'application/json; charset=utf-8' };

const read = (message: { headers: object; body: unknown }) =>
  readHttpEvents({ headers: { ...message.headers }, body: JSON.parse(String(message.body)) as unknown });

describe('what the official SDK sends', () => {
  const foreign = new ForeignEvent({
    type: 'Tested',
    source: '/test',
    subject: 'x',
    data: { a: [1] },
    runid: 'r',
    id: '1',
  });

  it('is read in binary, structured and batched mode', () => {
    for (const message of [HTTP.binary(foreign), HTTP.structured(foreign)]) {
      const { datacontenttype: _type, ...expected } = event;
      expect(read(message)).toMatchObject([{ ...expected, time: foreign.time }]);
    }
    const batch = {
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify([foreign, foreign]),
    };
    expect(read(batch)).toHaveLength(2);
  });

  it('is told what it can read', () => {
    expect(HTTP.toEvent(toHttpMessage([event]))).toMatchObject({
      id: '1',
      type: 'Tested',
      data: { a: [1] },
      runid: 'r',
    });
    expect(HTTP.toEvent(toHttpMessage([event, event]))).toHaveLength(2);
  });
});

describe('the HTTP binding', () => {
  it('decodes header values and keeps the content type of the data', () => {
    const headers = { ...attributes, ...json, 'ce-subject': 'K%C3%BCche%20%E2%82%AC', 'x-other': 'y' };
    expect(readHttpEvents({ headers, body: 5 })).toEqual([
      {
        specversion: '1.0',
        id: '1',
        source: '/test',
        type: 'Tested',
        subject: 'Küche €',
        data: 5,
        datacontenttype: json['content-type'],
      },
    ]);
    expect(readHttpEvents({ headers: attributes, body: undefined })[0]).not.toHaveProperty('data');
  });

  it('takes plain JSON that is a CloudEvent, and an empty batch', () => {
    expect(readHttpEvents({ headers: json, body: event })).toEqual([event]);
    expect(readHttpEvents({ headers: { 'content-type': 'application/cloudevents-batch+json' }, body: [] })).toEqual([]);
  });

  it.each([
    ['no event at all', { headers: json, body: { hello: 'world' } }, 'INVALID_ARGUMENT'],
    ['no body', { headers: {}, body: undefined }, 'INVALID_ARGUMENT'],
    ['broken escapes', { headers: { ...attributes, 'ce-subject': '%zz' }, body: 1 }, 'INVALID_ARGUMENT'],
    [
      'binary mode without an id',
      { headers: { 'ce-specversion': '1.0', 'ce-type': 't', 'ce-source': 's' }, body: 1 },
      'INVALID_ARGUMENT',
    ],
    ['an old version in headers', { headers: { ...attributes, 'ce-specversion': '0.2' }, body: 1 }, 'INVALID_ARGUMENT'],
    [
      'a batch that is no list',
      { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: event },
      'INVALID_ARGUMENT',
    ],
    [
      'a batch with a bad event',
      { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: [event, {}] },
      'INVALID_ARGUMENT',
    ],
    [
      'a batch that is too long',
      {
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body: Array.from({ length: 1_001 }, () => event),
      },
      'PAYLOAD_TOO_LARGE',
    ],
  ])('refuses %s', (_name, message, code) => {
    expect(() => readHttpEvents(message)).toThrowError(expect.objectContaining({ code }));
  });
});
