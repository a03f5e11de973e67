/**
 * Does a cap hold a model back that is told to show a trait? Answers under the trait's own system prompts, free, capped
 * by a policy, and capped by a rule of a policy from the moment on at which it fires; scored by the likelihood judge and
 * by VADER, for vectors of a trait that shows in sentiment, as `optimistic` does. The rule is also tried without system
 * prompt, where it should not fire.
 *
 *   PY=python node bench/cap.ts VECTOR.gguf [--model M] [--threads N] [--cap optimistic=0sd:cap]… [--when 'optimistic > 1sd over 8 tokens']
 *     [--questions 20] [--pairs 3 | --system TEXT…] [--samples 1] [--max-tokens 64] [--temperature 0.7] [--keep FILE] [--show]
 *
 * Several caps are tried side by side; the rule applies the last of them. --system asks under system prompts of yours
 * instead of the trait's first ones.
 * The answers are those of the server: its chat operation under these policies. PY is a Python with vaderSentiment.
 * With --keep, a run that was cut short goes on where it was.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from '../src/cli/kit/table.ts';
import type { Judgement } from '../src/judge/judge.ts';
import { likelihoodJudge } from '../src/judge/likelihood.ts';
import { bootstrapMean } from '../src/math/bootstrap.ts';
import { openChatModel } from '../src/model/chat-model.ts';
import { planEvaluation } from '../src/rollout/plan-evaluation.ts';
import { buildApp } from '../src/server/app.ts';
import { served } from '../src/server/served.ts';
import { loadConfig } from '../src/steer/policy/load.ts';
import { policiesOf } from '../src/steer/policy/policies.ts';
import { loadTrait } from '../src/trait/load.ts';
import { readVector } from '../src/vector/file.ts';
import { sentiments } from './sentiment.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    threads: { type: 'string' },
    cap: { type: 'string', multiple: true, default: [] },
    when: { type: 'string' },
    questions: { type: 'string', default: '20' },
    pairs: { type: 'string', default: '3' },
    system: { type: 'string', multiple: true, default: [] },
    samples: { type: 'string', default: '1' },
    'max-tokens': { type: 'string', default: '64' },
    temperature: { type: 'string', default: '0.7' },
    keep: { type: 'string' },
    show: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error('name a vector file; see the first lines of bench/cap.ts');
const vector = await readVector(path);
const name = vector.trait;
const caps = values.cap.length > 0 ? values.cap : [`${name}=0sd:cap`];
/** by policy */
const capped = new Map(caps.map((cap, i) => [`capped-${i}`, cap]));
const when = values.when ?? `${name} > 1sd over 8 tokens`;
const { calibration } = vector.recipe;
if (!calibration)
  throw new Error('the vector holds no scale of the likelihood judge: persona sweep learns one');

const trait = vector.recipe.trait ?? (await loadTrait(name));
await using chat = await openChatModel({
  model: values.model,
  parallel: 16,
  context: 1024,
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
});

const folder = mkdtempSync(join(tmpdir(), 'persona-cap-'));
const file = join(folder, 'persona.yaml');
writeFileSync(
  file,
  JSON.stringify({
    vectors: { [name]: path },
    policies: {
      free: {},
      ...Object.fromEntries([...capped].map(([policy, cap]) => [policy, { always: [cap] }])),
      ruled: { rules: [{ name: 'high', when, do: [{ cap: caps.at(-1) }] }] },
    },
  }),
); // JSON is YAML
const config = await loadConfig(file);
rmSync(folder, { recursive: true });
const vectors = new Map([[name, { vector, source: path, loadedAt: new Date().toISOString() }]]);
const policies = policiesOf(config, () => vector, chat.identity);

interface Answer {
  text: string;
  /** mean of the answer */
  z: number;
  fired: boolean;
}

type Plan = ReturnType<typeof planEvaluation>;

/** What a run before this one found out; of the same options, else the file is another one. */
const known: Record<string, unknown> =
  values.keep !== undefined && existsSync(values.keep)
    ? (JSON.parse(readFileSync(values.keep, 'utf8')) as Record<string, unknown>)
    : {};
async function kept<T>(key: string, make: () => Promise<T>): Promise<T> {
  known[key] ??= await make();
  if (values.keep !== undefined) writeFileSync(values.keep, JSON.stringify(known));
  return known[key] as T;
}

/** Every answer with a seed of its own, the same ones under each policy. */
async function answers(policy: string, plan: Plan): Promise<Answer[]> {
  const app = buildApp(served(chat, { vectors, policies, caller: () => ({ keyId: 'bench', policy }) }));
  return await Promise.all(
    plan.map(async ({ messages }, seed) => {
      const response = await app.request('/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          messages,
          seed,
          monitor: [name],
          max_tokens: Number(values['max-tokens']),
          temperature: Number(values.temperature),
        }),
      });
      if (response.status !== 200) throw new Error(await response.text());
      const { choices } = (await response.json()) as {
        choices: {
          message: { content: string };
          persona: { traits: Record<string, { mean: { z: number } }>; fired: unknown[] };
        }[];
      };
      const { message, persona } = choices[0]!;
      return { text: message.content, z: persona.traits[name]!.mean.z, fired: persona.fired.length > 0 };
    }),
  );
}

const POLICIES = ['free', ...capped.keys(), 'ruled'];
const sizes = { questions: Number(values.questions), samples: Number(values.samples) };
const untold = planEvaluation(trait, sizes);
const told =
  values.system.length > 0
    ? values.system.flatMap((content) =>
        untold.map((plan) => ({
          ...plan,
          messages: [{ role: 'system', content } as const, ...plan.messages],
        })),
      )
    : planEvaluation(trait, { ...sizes, side: 'pos' }).filter(
        ({ instructionIndex }) => instructionIndex! < Number(values.pairs),
      );
const byPolicy: Record<string, Answer[]> = {};
for (const policy of POLICIES)
  byPolicy[policy] = await kept(`answers ${policy}`, () => answers(policy, told));
const usual = await kept('answers usual', () => answers('free', untold));
const usualRuled = await kept('answers usual, ruled', () => answers('ruled', untold));

const judge = likelihoodJudge(chat, trait, calibration, { pairs: vector.recipe.judge?.pairs ?? 2 });
interface Scored {
  trait: number[];
  coherence: number[];
  vader: number[];
  z: number[];
}
const scored: Record<string, Scored> = {};
for (const [policy, given] of Object.entries({ ...byPolicy, 'no system prompt': usual })) {
  const plan = given === usual ? untold : told;
  const judgeAll = (): Promise<Judgement[]> =>
    Promise.all(
      given.map(({ text: answer }, i) => {
        const { question, instructionIndex = 0 } = plan[i]!;
        return judge.judge({ question, answer, instructionIndex });
      }),
    );
  const judged = await kept(`scores ${policy}`, judgeAll);
  scored[policy] = {
    trait: judged.map(({ trait: score }) => score ?? Number.NaN),
    coherence: judged.map(({ coherence }) => coherence ?? Number.NaN),
    vader: await sentiments(given.map(({ text }) => text)),
    z: given.map(({ z }) => z),
  };
}

/** '+1.23 (+0.98 … +1.49)', with the 95 % interval of the mean; answers without a score are left out */
function shown(numbers: readonly number[], digits: number): string {
  const { mean, low, high } = bootstrapMean(numbers.filter((x) => !Number.isNaN(x)));
  const [m, l, h] = [mean, low, high].map((x) => (x < 0 ? '−' : '') + Math.abs(x).toFixed(digits));
  return `${m} (${l} … ${h})`;
}
const less = (policy: string, of: keyof Scored): number[] =>
  scored[policy]![of].map((score, i) => score - scored['free']![of][i]!);
const labelOf = (policy: string): string => capped.get(policy) ?? policy;
const row = (label: string, of: (key: keyof Scored) => readonly number[]): string[] => [
  label,
  shown(of('trait'), 1),
  shown(of('vader'), 2),
  shown(of('coherence'), 1),
  shown(of('z'), 2),
];
console.log(
  [
    `${told.length} answers under ${values.system.length || values.pairs} system prompts for "${name}", ${untold.length} under none; rule: ${when}, then ${caps.at(-1)}`,
    table(
      ['policy', 'trait, 0–100', 'VADER, −1 … 1', 'coherence, 0–100', 'z of the answer'],
      [
        ...[...POLICIES, 'no system prompt'].map((policy) =>
          row(labelOf(policy), (key) => scored[policy]![key]),
        ),
        ...POLICIES.slice(1).map((policy) => row(`${labelOf(policy)} − free`, (key) => less(policy, key))),
      ],
    ),
    `means with 95 % intervals; the last rows are means of the differences answer by answer`,
    ...[
      { where: 'under the system prompts', ruled: byPolicy['ruled']!, free: byPolicy['free']! },
      { where: 'without system prompt', ruled: usualRuled, free: usual },
    ].map(({ where, ruled, free }) => {
      const silent = ruled.filter(({ fired }) => !fired);
      const same = ruled.filter(({ fired, text }, i) => !fired && text === free[i]!.text);
      return `${where} the rule fired on ${ruled.length - silent.length} of ${ruled.length} answers; of the other ${silent.length}, ${same.length} are the free answers word for word`;
    }),
  ].join('\n'),
);
if (values.show)
  for (const i of [0, 1, 2])
    for (const policy of POLICIES)
      console.log(`\n[${labelOf(policy)}] ${told[i]!.question}\n${byPolicy[policy]![i]!.text}`);
