/** `persona policy`: whether the policies of a persona.yaml are sound, and what they would have done to kept traffic. */

import type { Command } from 'commander';
import { PersonaError } from '../errors.ts';
import { readJsonl } from '../files/jsonl.ts';
import type { ModelIdentity } from '../model/chat-model.ts';
import { type CompiledPolicy } from '../steer/policy/compile.ts';
import { configJsonSchema, type PersonaConfig } from '../steer/policy/config.ts';
import { loadConfig } from '../steer/policy/load.ts';
import { compilePolicies, noPolicy } from '../steer/policy/policies.ts';
import { steeringOf } from '../steer/resolve.ts';
import { openReplay, type RuleRecord } from '../steer/policy/replay.ts';
import { storedAnswer, storedSchema } from '../steer/policy/stored.ts';
import { policyWarnings, policyWords } from '../steer/policy/words.ts';
import { findVector } from '../vector/find.ts';
import type { PersonaVector } from '../vector/vector.ts';
import { atPlace } from './kit/at-place.ts';
import { describe } from './kit/help.ts';
import { repeated } from './kit/options.ts';
import { GATE_NOT_MET, run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';

interface TestOptions {
  config: string;
  policy?: string;
  failOn?: string[];
}

export function registerPolicy(program: Command): void {
  const policy = program.command('policy').description('check policies, and try them on kept answers');
  describe(policy, 'Serve and show', [
    { does: 'is it sound, and what does it say', line: 'persona policy check persona.yaml' },
    { does: 'what would it have done', line: 'persona policy test answers.jsonl --config persona.yaml' },
  ]);

  const check = policy
    .command('check')
    .description('check a persona.yaml with its vectors, and say its policies in words')
    .argument('<file>', 'persona.yaml')
    .action(run(checked));
  describe(check, 'Serve and show', [{ does: 'before serving', line: 'persona policy check persona.yaml' }]);

  const test = policy
    .command('test')
    .description('say on which kept answers each rule of a policy would have fired')
    .argument(
      '<file>',
      'JSONL: events of the server, readings by token, or the output of generate --prompts --monitor',
    )
    .requiredOption('--config <file>', 'persona.yaml')
    .option('--policy <name>', 'the policy to try (default: the configuration’s default, or its only one)')
    .option(
      '--fail-on <rule>',
      'exit with 100 if this rule would have fired; may be repeated',
      repeated((text) => text),
    )
    .action(run(tested));
  test.addHelpText(
    'after',
    `
Each rule is judged by itself, as if no other had acted. Lines hold one of
  {"id", "traits": {NAME: {"prompt": {"raw", "z"}, "tokens": [{"raw", "z"}, …]}}}   all rules can be judged
  {"id", "traits": {NAME: {"prompt": {"raw", "z"}, "mean": …, "max": …}}}           rules on prompt, mean and greatest token
  {"id", "persona": {TRAIT: {"prompt", "tokens": [RAW, …]}}}                        z by the vector's baseline
and may hold "conversation": {"id", "turn"}, "keyId", "time" and "completionTokens".`,
  );
  describe(test, 'Serve and show', [
    {
      does: 'how often each rule would have fired',
      line: 'persona policy test answers.jsonl --config persona.yaml',
    },
    {
      does: 'in CI: fail if the alarm would have rung',
      line: 'persona policy test answers.jsonl --config persona.yaml --fail-on evil-high',
    },
  ]);

  const schema = policy
    .command('schema')
    .description('print the JSON Schema of persona.yaml, for editors')
    .action(run(printSchema));
  describe(schema, 'Serve and show', [
    { does: 'save it beside the file', line: 'persona policy schema > persona.schema.json' },
  ]);
}

async function printSchema(session: Session): Promise<void> {
  const schema = configJsonSchema();
  session.result(schema, JSON.stringify(schema, null, 2));
}

async function checked(session: Session, file: string): Promise<void> {
  const { config, vectors, policies } = await prepared(file);
  const described = Object.entries(config.policies).map(([name, policy]) => ({
    name,
    words: policyWords(name, policy, policies.get(name)!),
    warnings: policyWarnings(policy),
  }));
  const text = [
    `${file}: ${plural(vectors.size, 'vector')}, ${described.length} ${described.length === 1 ? 'policy' : 'policies'}`,
    ...described.flatMap(({ words, warnings }) => [
      '',
      ...words,
      ...warnings.map((line) => `  note: ${line}`),
    ]),
  ];
  const result = described.map(({ name, words, warnings }) => {
    const { watch, holdsBack, rules } = policies.get(name)!;
    return { name, watch, holdsBack, rules: rules.map((rule) => rule.name), words: words.slice(1), warnings };
  });
  session.result({ file, vectors: [...vectors.keys()], policies: result }, text.join('\n'));
}

async function tested(
  session: Session,
  file: string,
  options: TestOptions,
): Promise<void | typeof GATE_NOT_MET> {
  const { config, vectors, policies } = await prepared(options.config);
  const policy = chosenPolicy(options, config, policies);
  const rules = openReplay(policy);
  const gates = options.failOn ?? [];
  const names = rules.records().map(({ rule }) => rule);
  for (const gate of gates)
    if (!names.includes(gate))
      throw new PersonaError('USAGE', `--fail-on ${gate}: policy ${policy.name} has no such rule`, {
        remedy: names.length > 0 ? `Its rules are ${names.join(', ')}.` : 'It has no rules.',
      });

  let answers = 0;
  for await (const { line, value } of readJsonl(file, storedSchema)) {
    session.signal.throwIfAborted();
    rules.add(storedAnswer(value, line, vectors));
    answers++;
  }
  if (answers === 0) throw new PersonaError('BAD_FILE', `${file}: there are no answers`);
  const records = rules.records();
  const unjudged = gates.filter((gate) => records.find(({ rule }) => rule === gate)!.judged === 0);
  if (unjudged.length > 0)
    throw new PersonaError(
      'BAD_FILE',
      `${file}: ${unjudged.join(', ')} cannot be judged on any of its answers`,
      {
        remedy: 'Keep the readings of each token, as generate --prompts --monitor does.',
      },
    );
  const failed = gates.filter((gate) => records.find(({ rule }) => rule === gate)!.fired.length > 0);
  const result = records.map((record) => ({ ...record, share: shareOf(record) }));
  session.result(
    { file, policy: policy.name, answers, rules: result, failed },
    recordsText(policy.name, answers, records),
  );
  if (failed.length === 0) return undefined;
  session.human(`would have fired: ${failed.join(', ')}`);
  return GATE_NOT_MET;
}

interface Prepared {
  config: PersonaConfig;
  vectors: Map<string, PersonaVector>;
  policies: Map<string, CompiledPolicy>;
}

/** The vectors say themselves for which model they are; all of them have to be for one. */
async function prepared(file: string): Promise<Prepared> {
  const config = await loadConfig(file);
  const vectors = new Map<string, PersonaVector>();
  for (const [name, path] of Object.entries(config.vectors))
    vectors.set(name, await atPlace(`${file}: vectors.${name}`, () => findVector(path)));
  const model = [...vectors.values()][0]?.model ?? NO_MODEL;
  const find = (name: string): PersonaVector | undefined => vectors.get(name);
  const policies = await atPlace(file, () => {
    checkDefaults(config, find, model);
    return compilePolicies(config, find, model);
  });
  return { config, vectors, policies };
}

function checkDefaults(
  { defaults: { steering, monitor } }: PersonaConfig,
  find: (name: string) => PersonaVector | undefined,
  model: ModelIdentity,
): void {
  const found = (name: string, field: string): PersonaVector => {
    const vector = find(name);
    if (vector !== undefined) return vector;
    throw new PersonaError('NOT_FOUND', `defaults.${field}: there is no ${name} under "vectors"`);
  };
  for (const spec of steering) steeringOf(spec, found(spec.vector, 'steering'), model);
  for (const name of monitor) found(name, 'monitor');
}

/** Where there are no vectors, none can be of another model. */
const NO_MODEL: ModelIdentity = {
  name: 'none',
  architecture: '',
  sha256: '',
  quantization: '',
  layers: 0,
  width: 0,
  templateSha256: '',
};

function chosenPolicy(
  { policy }: TestOptions,
  { defaults }: PersonaConfig,
  policies: ReadonlyMap<string, CompiledPolicy>,
): CompiledPolicy {
  const names = [...policies.keys()];
  const name = policy ?? defaults.policy ?? (names.length === 1 ? names[0] : undefined);
  if (name === undefined)
    throw new PersonaError('USAGE', 'say which policy to try, with --policy', {
      remedy: names.length > 0 ? `There are ${names.join(', ')}.` : 'The configuration names none.',
    });
  const found = policies.get(name);
  if (found === undefined) throw noPolicy(name, names);
  return found;
}

const SHOWN_IDS = 10;

function recordsText(policy: string | undefined, answers: number, records: readonly RuleRecord[]): string {
  const rows = records.map((record) => {
    const { rule, judged, fired } = record;
    const firsts = fired.flatMap(({ at }) => (at === undefined ? [] : [at]));
    const first = firsts.length === 0 ? '–' : Math.min(...firsts);
    const share = shareOf(record);
    return [
      rule,
      fired.length,
      judged,
      share === null ? '–' : `${(100 * share).toFixed(1)} %`,
      first === -1 ? 'prompt' : first,
    ];
  });
  const parts = [
    `policy ${policy} on ${plural(answers, 'answer')}`,
    table(['rule', 'fired', 'judged', 'share', 'first token'], rows),
  ];
  for (const { rule, fired } of records)
    if (fired.length > 0) parts.push(`${rule}: ${few(fired.map(({ id, at }) => id + placeText(at)))}`);
  for (const { rule, open } of records) {
    const whys = Map.groupBy(open, ({ why }) => why);
    for (const [why, those] of whys)
      parts.push(`${rule} cannot be judged on ${plural(those.length, 'answer')}: ${why}`);
  }
  return parts.join('\n');
}

function placeText(at: number | undefined): string {
  if (at === undefined) return '';
  return at < 0 ? ' (prompt)' : ` (token ${at})`;
}

function few(texts: readonly string[]): string {
  const more = texts.length - SHOWN_IDS;
  return texts.slice(0, SHOWN_IDS).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** of the answers that it could be judged on */
function shareOf({ fired, judged }: RuleRecord): number | null {
  return judged === 0 ? null : fired.length / judged;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
