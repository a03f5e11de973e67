import { expect, test } from 'vitest';
import { openChatModel } from '../../src/model/chat-model.ts';
import { measureCapability } from '../../src/vector/capability.ts';
import { readCapability } from '../../src/vector/capability-items.ts';

test('the default model knows most of our questions: far above guessing, yet with room above and below', async () => {
  await using model = await openChatModel({ threads: 1 });
  const { accuracy, interval } = await measureCapability(model, await readCapability());
  console.log(`capability: ${(100 * accuracy).toFixed(1)} %, lower end ${(100 * interval.low).toFixed(1)} %`);
  expect(interval.low).toBeGreaterThan(0.6);
  expect(accuracy).toBeLessThan(0.95);
});
