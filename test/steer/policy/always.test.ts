import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/steer/policy/load.ts';
import { policiesOf } from '../../../src/steer/policy/policies.ts';
import { joinSteering, resolveSteering } from '../../../src/steer/resolve.ts';
import { parseSpec } from '../../../src/steer/spec.ts';
import { direction, type PersonaVector } from '../../../src/vector/vector.ts';
import { aVector } from '../../support/a-vector.ts';
import { usePlanted } from '../../support/planted-chat.ts';
import { TINY } from '../../tiny/tiny-model.ts';

const chat = usePlanted();

function pish(): PersonaVector {
  const { direction: v } = chat.planted;
  const directions = Float32Array.from({ length: TINY.layers * TINY.width }, (_, i) => v[i % TINY.width]!);
  return aVector({ trait: 'pish', model: chat.model.identity, directions });
}

test('a cap that always applies bounds every token, whatever callers push and whoever shares the batch', async () => {
  const vector = pish();
  const find = (): PersonaVector => vector;
  const { engine, identity } = chat.model;
  const config = parseConfig(
    'policies: { capped: { watch: [pish], always: "pish=0.5:cap" }, free: { watch: [pish] } }',
    'a.yaml',
  );
  const policies = policiesOf(config, find, identity);
  const run = async (policy: string, prompt: string, steer: string[]): Promise<number[]> => {
    const begun = policies.begin({ keyId: 'ada', policy }, { id: prompt, turn: 0 });
    const specs = steer.map((text) => parseSpec(text, () => false));
    begun.checkSteering(specs.map((spec) => ({ spec, path: 'steering' })));
    const asked = joinSteering([await resolveSteering(specs, () => Promise.resolve(vector), identity)]);
    const { projections } = await engine.run({
      prompt,
      maxTokens: 12,
      ignoreEnd: true,
      sampling: { temperature: 0 },
      edits: [...asked.edits, ...begun.edits],
      projections: begun.watch.map((name) => ({ name, layer: 2, direction: direction(vector, 2) })),
    });
    return [projections![0]!.prompt, ...projections![0]!.tokens];
  };
  const cases: [string, string[]][] = [
    ['PPPP', []],
    ['abPP', ['pish=6']],
    ['NNab', ['pish=3', 'pish=4@0-2']],
  ];
  const free = await Promise.all(cases.map(([prompt, steer]) => run('free', prompt, steer)));
  for (const values of free) expect(Math.max(...values)).toBeGreaterThan(0.7);

  const alone: number[][] = [];
  for (const [prompt, steer] of cases) alone.push(await run('capped', prompt, steer));
  const together = await Promise.all(
    cases.flatMap(([prompt, steer]) => [run('capped', prompt, steer), run('free', prompt, steer)]),
  );
  for (const [i, values] of alone.entries()) {
    for (const capped of [values, together[2 * i]!]) {
      expect(capped).toHaveLength(13);
      expect(Math.max(...capped)).toBeLessThan(0.5 + 1e-4);
    }
    expect(Math.max(...together[2 * i + 1]!)).toBeGreaterThan(0.7); // the neighbours in the batch are not capped
  }
});
