/**
 * A vitest reporter that ends a test run with the line that CI looks for: `N passed, N failed`, skipped tests counted
 * as neither. A test file that does not even load counts as one failure.
 */

import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length; // outside of any test
    for (const testModule of modules) {
      const before = failed;
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        if (state === 'failed') failed++;
      }
      if (!testModule.ok() && failed === before) failed++;
    }
    process.on('exit', () => process.stdout.write(`${passed} passed, ${failed} failed\n`)); // after the other reporters
  }
}
