// Prints "N passed, N failed" from vitest's JSON report, and fails unless everything passed and there was something.
import { existsSync, readFileSync } from 'node:fs';

const [report, testsExitCode, failedChecks] = process.argv.slice(2);
const none = { numPassedTests: 0, numFailedTests: 0 };
const { numPassedTests, numFailedTests } = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : none;

// A file that does not load, or an error outside a test, fails the run without failing a test.
const failedTests = testsExitCode === '0' && numPassedTests > 0 ? numFailedTests : Math.max(numFailedTests, 1);
const failed = failedTests + Number(failedChecks);
process.stdout.write(`${numPassedTests} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
