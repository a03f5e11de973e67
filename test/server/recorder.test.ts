import { expect, test } from 'vitest';
import type { AnswerEvent } from '../../src/server/contracts.ts';
import { joinRecorder } from '../../src/server/recorder.ts';
import { anEvent } from './an-event.ts';

test('all hear of an answer, whoever throws, and the store is closed', async () => {
  const seen: string[] = [];
  const store = {
    record: (event: AnswerEvent) => void seen.push(`store ${event.id}`),
    [Symbol.asyncDispose]: async () => void seen.push('closed'),
  };
  const problems: string[] = [];
  const broken = (): never => {
    throw new Error('no');
  };
  const recorder = joinRecorder([broken, (event) => void seen.push(`log ${event.id}`)], store, (text) =>
    problems.push(text),
  );
  recorder.record(anEvent({ id: 'a' }));
  recorder.record(anEvent({ id: 'b' }));
  await recorder[Symbol.asyncDispose]();
  expect(seen).toEqual(['store a', 'log a', 'store b', 'log b', 'closed']);
  expect(problems).toEqual(['an answer was not recorded in full: no']);
});
