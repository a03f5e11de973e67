import { expect, test } from 'vitest';
import { usePlantedServer } from '../support/planted-server.ts';

const server = usePlantedServer();

test('x', async () => {
  console.log(
    JSON.stringify(
      await server.chat({
        steering: 'pish=0.5',
        monitor: ['pish', 'pish@1'],
        compare: true,
        monitor_tokens: true,
        logprobs: true,
        top_logprobs: 2,
        n: 2,
        max_tokens: 3,
      }),
      null,
      1,
    ),
  );
});
