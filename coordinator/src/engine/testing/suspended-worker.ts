import { workerData } from 'node:worker_threads';
import { asking, TestEngine } from './test-engine.ts';

/**
 * An engine in a thread of its own, which a test can end even where it never comes back from a turn: connects to the
 * address it is given.
 */
const { engine } = new TestEngine({ address: String(workerData), workflows: [asking] });
await engine.start();
