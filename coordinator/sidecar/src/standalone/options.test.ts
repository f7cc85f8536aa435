import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.ts';
import { UsageError } from './quantity.ts';

describe('the command line', () => {
  it("has daprd's ports, full durability and no retention by default", () => {
    expect(parseOptions([], {})).toEqual({
      host: '127.0.0.1',
      port: 50_001,
      httpPort: 3500,
      dataFolder: `${process.cwd()}/.daca-sidecar`,
      durability: 'full',
      retention: {},
      maxMessageBytes: 4 * 1024 * 1024,
      apiToken: undefined,
      json: false,
    });
  });

  it.each([
    ['500ms', 500],
    ['45s', 45_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ])('reads the time %s', (text, anyTerminal) => {
    expect(parseOptions(['--retention', text], {})).toMatchObject({ retention: { anyTerminal } });
  });

  it('takes a retention for all and others for single outcomes', () => {
    const args = ['--retention', '7d', '--retention', 'failed=30d', '--retention=completed=1h'];
    expect(parseOptions(args, {})?.retention).toEqual({
      anyTerminal: 604_800_000,
      failed: 2_592_000_000,
      completed: 3_600_000,
    });
  });

  it.each([
    ['4Mi', 4_194_304],
    ['512Ki', 524_288],
    ['128Mi', 134_217_728],
    ['1M', 1_000_000],
    ['4096', 4096],
  ])('reads the size %s', (text, maxMessageBytes) => {
    expect(parseOptions(['--max-body-size', text], {})).toMatchObject({ maxMessageBytes });
  });

  it('takes the token from DAPR_API_TOKEN or the variable it is told, and an empty one for none', () => {
    const environment = { DAPR_API_TOKEN: 'a', OTHER: 'b', EMPTY: '' };
    expect(parseOptions([], environment)).toMatchObject({ apiToken: 'a' });
    expect(parseOptions(['--token-from', 'OTHER'], environment)).toMatchObject({ apiToken: 'b' });
    expect(parseOptions(['--token-from', 'EMPTY'], environment)).toMatchObject({ apiToken: undefined });
  });

  it.each([['--help'], ['-h'], ['--json', '--help', '--port', 'x']])('is help with %s', (...args) => {
    expect(parseOptions(args, {})).toBeUndefined();
  });

  it.each([
    [['--port', '-1']],
    [['--port', '65536']],
    [['--port', '0x50']],
    [['--port']],
    [['--http-port', '']],
    [['--durability', 'some']],
    [['--retention', '7']],
    [['--retention', '7w']],
    [['--retention', '7constructor']],
    [['--retention', '-7d']],
    [['--retention', '99999999999999d']],
    [['--retention', 'pending=7d']],
    [['--retention', 'failed=']],
    [['--max-body-size', '0']],
    [['--max-body-size', '4mb']],
    // More than the SDK takes.
    [['--max-body-size', '129Mi']],
    [['--json=yes']],
    [['stray']],
  ])('is refused: %j', (args) => {
    expect(() => parseOptions(args, {})).toThrow(UsageError);
  });
});
