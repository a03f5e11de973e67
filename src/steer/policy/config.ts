/** What a persona.yaml holds, checked by field. Texts with a grammar of their own come out parsed. */

import { z } from 'zod';
import { isPersonaError } from '../../errors.ts';
import type { Scope } from '../../engine/request.ts';
import { OPS, parseSpec, SCOPES, type SteerOp, type SteerSpec } from '../spec.ts';
import { type Cooldown, parseCooldown } from './cooldown.ts';
import { MAX_TURNS } from './memory.ts';
import { strict } from './strict.ts';
import { type Amount, type Condition, isTraitName, parseAmount, parseWhen } from './when.ts';

export interface PersonaConfig {
  /** as for --model */
  model?: string | undefined;
  /** name → path of the file, or its name in the vectors folder */
  vectors: Record<string, string>;
  server: ServerSettings;
  defaults: {
    /** of callers whose key names none */
    policy?: string | undefined;
    /** of requests that say nothing of steering */
    steering: SteerSpec[];
    /** names of vectors that are read for every request */
    monitor: string[];
  };
  policies: Record<string, PolicyConfig>;
  /** checked by whoever knows of keys */
  keys: Record<string, unknown>;
}

/** Settings of the server, passed through. */
export interface ServerSettings {
  host?: string | undefined;
  port?: number | undefined;
  /** origins that browsers may call from; true: any */
  cors?: boolean | string | string[] | undefined;
  /** whether prompts and answers are kept with what is recorded. @default false */
  keepText?: boolean | undefined;
  /** requests answered together, and tokens of one */
  parallel?: number | undefined;
  context?: number | undefined;
  threads?: number | undefined;
  gpuLayers?: number | undefined;
  /** requests that may wait */
  queue?: number | undefined;
  /** folder of what is recorded */
  record?: string | undefined;
}

export interface PolicyConfig {
  /** read with every answer; those that rules name are read besides */
  watch: string[];
  /** what callers may steer. absent or true: anything; false: nothing; else what is named, `*` being all others */
  steer?: boolean | Record<string, boolean | SteerLimits> | undefined;
  always: SteerSpec[];
  rules: RuleConfig[];
  drift?: DriftConfig | undefined;
}

export interface SteerLimits {
  /** of the coefficient, times the vector, at each layer */
  min?: number | undefined;
  max?: number | undefined;
  /** both ends included; absent: any */
  layers?: [from: number, to: number] | undefined;
  /** @default ['add'] */
  ops?: SteerOp[] | undefined;
  /** absent: any */
  scopes?: Scope[] | undefined;
}

export interface RuleConfig {
  name: string;
  when: Condition;
  /** absent: half the way back to the usual */
  release?: Condition | undefined;
  cooldown?: Cooldown | undefined;
  do: ActionConfig[];
}

export interface DriftConfig {
  traits: string[];
  /** of how many last answers the trend is */
  turns: number;
  /** a turn */
  slope: Amount;
  do: ActionConfig[];
}

export type ActionConfig =
  | { do: 'log' }
  /** value absent: the rule's name */
  | { do: 'header'; name: string; value?: string | undefined }
  | { do: 'webhook'; url: string }
  /** specs absent: at most (at least) the rule's own bound */
  | { do: 'cap'; specs?: SteerSpec[] | undefined }
  | { do: 'stop'; finishReason: string }
  | { do: 'regenerate'; specs?: SteerSpec[] | undefined }
  | { do: 'fallback'; text: string };

/** What a drift is called among the rules. */
export const DRIFT = 'drift';
const HEADER = 'x-persona-rule';
const FINISH_REASON = 'content_filter';

/** A text that `parse` makes something of; what it throws is what is wrong with the field. */
function parsed<T>(parse: (text: string) => T): z.ZodType<T> {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      if (!isPersonaError(error)) throw error;
      const message = error.remedy === undefined ? error.message : `${error.message}. ${error.remedy}`;
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    }
  });
}

/** One SPEC or several. Names of loaded vectors are no paths. */
function specList(least: number): z.ZodType<SteerSpec[]> {
  return z.union([spec.transform((one) => [one]), z.array(spec).min(least, 'expected at least one SPEC')], {
    error: 'expected a SPEC or a list of them, as in evil=1sd:cap',
  });
}

const spec = parsed((text) => parseSpec(text, () => false));
const specs = specList(1);
const amount = z.union(
  [parsed(parseAmount), z.number().transform((value): Amount => ({ value, unit: 'raw' }))],
  {
    error: 'expected a number, or text as in 0.5sd',
  },
);
const name = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}_.-]*$/u, 'expected a name of letters, digits, "_", "-" and "."');
const traitName = z
  .string()
  .refine(
    isTraitName,
    'expected a name of letters, digits, "_", "-" and ".", which does not begin with a digit',
  );
const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'expected the name of an HTTP header');
/** No line break: it would begin a header of its own (CWE-113). */
const headerValue = z.string().regex(/^[\x20-\x7e]*$/, 'expected plain ASCII on one line');
const url = z.url({
  protocol: /^https?$/,
  error: 'expected an address that begins with http:// or https://',
});
const reason = z.string().regex(/^\w+$/, 'expected one word, as in content_filter');

const BARE = ['log', 'header', 'cap', 'stop', 'regenerate'] as const;
const ACTIONS =
  'log, header, {webhook: URL}, cap, {cap: SPEC}, stop, {stop: REASON}, regenerate, {regenerate: SPEC} or {fallback: TEXT}';

const action: z.ZodType<ActionConfig> = z.union(
  [
    z.enum(BARE).transform((what): ActionConfig => {
      if (what === 'header') return { do: what, name: HEADER };
      return what === 'stop' ? { do: what, finishReason: FINISH_REASON } : { do: what };
    }),
    strict({
      header: z.union([
        headerName.transform((one) => ({ name: one })),
        strict({ name: headerName, value: headerValue.optional() }),
      ]),
    }).transform(({ header }): ActionConfig => ({ do: 'header', ...header })),
    strict({ webhook: url }).transform((given): ActionConfig => ({ do: 'webhook', url: given.webhook })),
    strict({ cap: specs }).transform(({ cap }): ActionConfig => ({ do: 'cap', specs: cap })),
    strict({ stop: reason }).transform(({ stop }): ActionConfig => ({ do: 'stop', finishReason: stop })),
    strict({ regenerate: specs }).transform(({ regenerate }): ActionConfig => ({
      do: 'regenerate',
      specs: regenerate,
    })),
    strict({ fallback: z.string().min(1) }).transform(({ fallback }): ActionConfig => ({
      do: 'fallback',
      text: fallback,
    })),
  ],
  { error: `expected ${ACTIONS}` },
);

const actions = z.array(action).min(1, 'expected at least one action');

const rule: z.ZodType<RuleConfig> = strict({
  name: name.refine(
    (text) => text !== DRIFT,
    `a rule cannot be called "${DRIFT}": that is the trend over turns`,
  ),
  when: parsed(parseWhen),
  release: parsed(parseWhen).optional(),
  cooldown: parsed(parseCooldown).optional(),
  do: actions,
}).superRefine(({ when, release }, context) => {
  const message = release && releaseProblem(when, release);
  if (message) context.addIssue({ code: 'custom', message, path: ['release'] });
});

/** A release that is of no use: the rule would never be armed again, or never at rest. */
function releaseProblem(when: Condition, release: Condition): string | undefined {
  if (when.of === 'prompt') return 'a rule on the prompt fires once an answer at most, and has no release';
  if (release.of === 'prompt') return 'expected a condition on the answer, not on its prompt';
  if (release.trait !== when.trait)
    return `expected a condition on ${when.trait}, got one on ${release.trait}`;
  if (release.side === when.side)
    return `expected "${when.side === 'above' ? '<' : '>'}": it is what ends the condition of "when"`;
  if (release.bound.unit !== when.bound.unit) return undefined; // told apart only by the vector's baseline
  const overlap =
    when.side === 'above' ? release.bound.value - when.bound.value : when.bound.value - release.bound.value;
  return overlap > 0
    ? 'it holds while the condition of "when" does, so the rule would fire at every token'
    : undefined;
}

const TREND_ACTIONS: readonly string[] = ['log', 'header', 'webhook', 'cap'];

const drift: z.ZodType<DriftConfig> = strict({
  traits: z.array(traitName).min(1),
  turns: z.int().min(2).max(MAX_TURNS),
  slope: amount.refine(({ value }) => value !== 0, 'expected a slope that is not 0'),
  do: actions,
}).superRefine(({ do: wanted }, context) => {
  for (const [i, { do: what, ...rest }] of wanted.entries()) {
    const path = ['do', i];
    if (!TREND_ACTIONS.includes(what))
      context.addIssue({
        code: 'custom',
        message: `a drift is no matter of one answer: expected ${TREND_ACTIONS.join(', ')}`,
        path,
      });
    else if (what === 'cap' && (rest as { specs?: unknown }).specs === undefined)
      context.addIssue({ code: 'custom', message: 'a drift has no bound: write {cap: SPEC}', path });
  }
});

const limits: z.ZodType<SteerLimits> = strict({
  min: z.number().optional(),
  max: z.number().optional(),
  layers: z
    .tuple([z.int().min(0), z.int().min(0)])
    .refine(([from, to]) => from <= to, 'expected the lower layer first')
    .optional(),
  ops: z.array(z.enum(OPS)).min(1).optional(),
  scopes: z.array(z.enum(SCOPES)).min(1).optional(),
}).refine(({ min = -Infinity, max = Infinity }) => min <= max, {
  error: 'expected min to be at most max',
  path: ['min'],
});

const policy: z.ZodType<PolicyConfig> = strict({
  watch: z.array(traitName).default([]),
  steer: z
    .union(
      [
        z.boolean(),
        z.record(
          z.union([z.literal('*'), traitName]),
          z.union([z.boolean(), limits], {
            error: 'expected true, false, or limits as in {min: -1, max: 2}',
          }),
        ),
      ],
      { error: 'expected true, false, or what may be steered, by names' },
    )
    .optional(),
  always: specList(0).default([]),
  rules: z.array(rule).default([]),
  drift: drift.optional(),
}).superRefine(({ rules }, context) => {
  for (const [i, { name: mine }] of rules.entries())
    if (rules.findIndex((other) => other.name === mine) < i)
      context.addIssue({
        code: 'custom',
        message: `another rule is called ${mine}`,
        path: ['rules', i, 'name'],
      });
});

const server: z.ZodType<ServerSettings> = strict({
  host: z.string().min(1).optional(),
  port: z.int().min(0).max(65_535).optional(),
  cors: z
    .union([z.boolean(), z.string(), z.array(z.string())], {
      error: 'expected true, false, an origin or a list of them',
    })
    .optional(),
  keepText: z.boolean().optional(),
  parallel: z.int().min(1).optional(),
  context: z.int().min(1).optional(),
  threads: z.int().min(1).optional(),
  gpuLayers: z.int().min(-1).optional(),
  queue: z.int().min(0).optional(),
  record: z.string().min(1).optional(),
});

const defaults: z.ZodType<PersonaConfig['defaults']> = strict({
  policy: name.optional(),
  steering: specList(0).default([]),
  monitor: z.array(traitName).default([]),
});

export const configSchema: z.ZodType<PersonaConfig> = strict({
  model: z.string().min(1).optional(),
  vectors: z.record(traitName, z.string().min(1)).default({}),
  server: server.default({}),
  defaults: defaults.default({ steering: [], monitor: [] }),
  policies: z.record(name, policy).default({}),
  keys: z.record(z.string(), z.unknown()).default({}),
}).superRefine(({ defaults: { policy: usual }, policies }, context) => {
  if (usual !== undefined && !Object.hasOwn(policies, usual))
    context.addIssue({
      code: 'custom',
      message: `there is no policy ${usual}`,
      path: ['defaults', 'policy'],
    });
});

/** For editors that check and complete YAML. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
}
