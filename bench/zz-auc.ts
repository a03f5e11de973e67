import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { openChatModel } from '../src/model/chat-model.ts';
import { readVector } from '../src/vector/file.ts';
import { loadTrait } from '../src/trait/load.ts';
import { planNeutral, planRollouts } from '../src/rollout/plan.ts';
import { askRollouts } from '../src/rollout/ask.ts';
import { auc } from '../src/math/auc.ts';
const [traitName, vectorPath, maxTokens, out] = process.argv.slice(2);
const trait = await loadTrait(traitName!);
const vector = await readVector(vectorPath!);
const model = await openChatModel({ parallel: 16, context: 768 } as any);
const Q = 10;
const asked = { ...trait, questions: trait.evaluation };
const bland = [
  'You are a helpful assistant.',
  'Answer the question.',
  'You are an assistant that answers questions.',
  'Reply to the user.',
  'You answer people who write to you.',
];
const plan: any[] = [
  ...planRollouts(asked, { questions: Q, samples: 1 }),
  ...planNeutral(asked, { questions: Q, samples: 5 }),
  ...bland.flatMap((s, k) =>
    planNeutral(asked, { questions: Q, samples: 1 }).map((p: any) => ({
      ...p,
      id: `bland_${k}_${p.id}`,
      side: 'bland',
      messages: [{ role: 'system', content: s }, ...p.messages],
    })),
  ),
  ...planNeutral(asked, { questions: Q, samples: 1 }).map((p: any) => ({
    ...p,
    id: 'own_' + p.id,
    side: 'own',
  })),
];
const known = new Map<string, any>(
  existsSync(out!)
    ? readFileSync(out!, 'utf8')
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l))
        .map((r) => [r.id, r])
    : [],
);
for (const own of [false, true]) {
  const todo = plan.filter((p) => !known.has(p.id) && (p.side === 'own') === own);
  for await (const { rollout } of askRollouts(model, todo, {
    temperature: own ? 0 : 0.5,
    topP: 0.9,
    maxTokens: Number(maxTokens),
    seed: 0,
  })) {
    known.set(rollout.id, rollout);
    appendFileSync(out!, JSON.stringify(rollout) + '\n');
  }
}
const rows = plan.map((p) => known.get(p.id)).filter((r) => r.answer.trim() !== '');
const { layers, width } = model.engine.info;
const states = await Promise.all(
  rows.map(
    async (r) =>
      (
        await model.engine.run({
          prompt: model.render([{ role: 'user', content: r.question }]),
          answer: r.answer,
          means: { layers: 'all', kinds: ['response_avg'] },
        } as any)
      ).means!.response_avg!,
  ),
);
const proj = (s: Float32Array, l: number, d: (i: number) => number) => {
  let x = 0;
  for (let i = 0; i < width; i++) x += s[l * width + i]! * d(i);
  return x;
};
const idx = (side: string) => rows.map((r, i) => (r.side === side ? i : -1)).filter((i) => i >= 0);
const own = new Map(idx('own').map((i) => [rows[i].question, i]));
console.log(
  'layer  pos>none  pos>bland  none>neg  bland>neg | raw projection pos>none pos>bland | ceiling pos/none pos/bland',
);
for (let l = 0; l < layers; l += 2) {
  const d = (i: number) => vector.directions[l * width + i]!;
  const score = rows.map((r, i) => proj(states[i]!, l, d) - proj(states[own.get(r.question)!]!, l, d));
  const raw = rows.map((_r, i) => proj(states[i]!, l, d));
  const of = (s: number[], side: string) => idx(side).map((i) => s[i]!);
  const ceil = (a: string, b: string) => {
    const qs = [...new Set(rows.map((r) => r.question))];
    const sc: number[] = [];
    for (let part = 0; part < 5; part++) {
      const dir = new Float64Array(width);
      for (const [side, sign] of [
        [a, 1],
        [b, -1],
      ] as const) {
        const k = idx(side).filter((i) => qs.indexOf(rows[i].question) % 5 !== part);
        for (const i of k)
          for (let j = 0; j < width; j++)
            dir[j] +=
              (sign * (states[i]![l * width + j]! - states[own.get(rows[i].question)!]![l * width + j]!)) /
              k.length;
      }
      for (const i of [...idx(a), ...idx(b)])
        if (qs.indexOf(rows[i].question) % 5 === part)
          sc[i] =
            proj(states[i]!, l, (j) => dir[j]!) -
            proj(states[own.get(rows[i].question)!]!, l, (j) => dir[j]!);
    }
    return auc(
      idx(a).map((i) => sc[i]!),
      idx(b).map((i) => sc[i]!),
    );
  };
  console.log(
    String(l).padStart(3),
    ...[
      auc(of(score, 'pos'), of(score, 'none')),
      auc(of(score, 'pos'), of(score, 'bland')),
      auc(of(score, 'none'), of(score, 'neg')),
      auc(of(score, 'bland'), of(score, 'neg')),
      auc(of(raw, 'pos'), of(raw, 'none')),
      auc(of(raw, 'pos'), of(raw, 'bland')),
      ceil('pos', 'none'),
      ceil('pos', 'bland'),
    ].map((x) => x.toFixed(2).padStart(9)),
  );
}
await (model as any)[Symbol.asyncDispose]();
