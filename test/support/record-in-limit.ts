/** Records an event as often as a line comes in, and prints what became of it; problems go to stderr. */

import { createInterface } from 'node:readline';
import { openEventStore } from '../../src/server/events/store.ts';
import { anEvent } from '../server/an-event.ts';

const store = openEventStore({ path: process.argv[2]!, onProblem: (problem) => console.error(problem) });
let id = 0;
for await (const line of createInterface(process.stdin)) {
  if (line === 'end') break;
  store.record(anEvent({ id: String(id++), text: { prompt: 'p', answer: 'x'.repeat(Number(line)) } }));
  await store.flush();
  console.log(JSON.stringify({ waiting: store.waiting(), lost: store.lost() }));
}
await store[Symbol.asyncDispose]();
