import { expect, it } from 'vitest';
import * as sidecar from './index.ts';

it('exports this and nothing else', () => {
  expect(Object.keys(sidecar).toSorted()).toMatchInlineSnapshot(`
    [
      "SidecarError",
      "startSidecar",
    ]
  `);
});
