/** Records events in the store argv[2] and prints the number of each batch that is written. */

import { openEventStore } from '../../src/server/events/store.ts';
import { anEvent } from '../server/an-event.ts';

const store = openEventStore({ path: process.argv[2]! });
for (let batch = 0; ; batch++) {
  for (let i = 0; i < 100; i++) store.record(anEvent({ id: `${batch}.${i}` }));
  await store.flush();
  console.log(batch);
}
