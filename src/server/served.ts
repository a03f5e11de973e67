/** What a server serves: a model, vectors by name, and who says what may be done with them. */

import type { Context } from 'hono';
import type { ChatModel } from '../model/chat-model.ts';
import type { Caller, Decision, Fired, Policies } from '../steer/policy/policy.ts';
import type { PersonaVector } from '../vector/vector.ts';
import type { Breaker } from './breaker.ts';
import type { Recorder } from './contracts.ts';
import type { Doorkeeper } from './limits/doorkeeper.ts';

export interface LoadedVector {
  vector: PersonaVector;
  /** where it came from: a path, or `upload` */
  source: string;
  /** ISO time */
  loadedAt: string;
}

export interface Limits {
  /** bytes of a request's body */
  body: number;
  /** bytes of a vector that is uploaded */
  upload: number;
  /** answers to one request, over all its prompts */
  choices: number;
  /** steerings and watched vectors in one request; each costs a dot product per token */
  directions: number;
  /** vectors loaded at once; each is layers × d floats in memory */
  vectors: number;
}

export const LIMITS: Limits = {
  body: 4 * 1024 ** 2, // a long conversation has some hundred kilobytes
  upload: 256 * 1024 ** 2, // 80 layers of width 8192 are 2.5 MB; other tools' files may hold much else
  choices: 16,
  directions: 64,
  vectors: 256,
};

export interface Served {
  model: ChatModel;
  /** other names under which requests may ask for the model */
  aliases: readonly string[];
  vectors: Map<string, LoadedVector>;
  policies: Policies;
  recorder: Recorder;
  /** who asks; @throws PersonaError when nobody may ask so */
  caller: (context: Context) => Caller | Promise<Caller>;
  limits: Limits;
  /** where a request says nothing: SPECs, and WATCHes, by names of loaded vectors */
  defaults: { steering: readonly string[]; monitor: readonly string[] };
  /** the only folder from which requests may load vectors; undefined: none */
  vectorsFolder: string | undefined;
  /** whether callers may load and unload vectors at all */
  manageVectors: boolean;
  /** origin that browsers may ask from; undefined: none */
  cors: string | undefined;
  /** texts of prompts and answers go to the recorder too */
  keepTexts: boolean;
  /** Prometheus text of /metrics */
  metrics?: () => string | Promise<string>;
  /** what a policy wants told elsewhere; never waited for */
  notify?: (
    decision: Decision & { do: 'webhook' | 'log' },
    answerId: string,
    told: { key: string; conversation: string; fired: readonly Fired[] },
  ) => void;
  /** before everything else of /v1, /control-vectors and /metrics: keys, limits, queue */
  door?: Doorkeeper;
  /** turns requests away while the engine keeps dying */
  breaker?: Breaker;
  onEngineCrash?: () => void;
  state: { draining: boolean };
  /** answers that are being written, to the record of them */
  underWay: Set<Promise<unknown>>;
}

export const ANONYMOUS: Caller = { keyId: 'anonymous', policy: undefined };

/** Lets all pass, watches nothing. */
export const noPolicies: Policies = {
  begin: () => ({
    watch: [],
    edits: [],
    applied: [],
    holdsBack: false,
    intervenes: false,
    checkSteering: () => {},
    onPrompt: () => [],
    onToken: () => [],
    fired: () => [],
  }),
};

export const noRecorder: Recorder = {
  record: () => {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** A server of this model with everything else as it is by default. */
export function served(model: ChatModel, changes: Partial<Omit<Served, 'model'>> = {}): Served {
  return {
    model,
    aliases: [],
    vectors: new Map(),
    policies: noPolicies,
    recorder: noRecorder,
    caller: () => ANONYMOUS,
    limits: LIMITS,
    defaults: { steering: [], monitor: [] },
    vectorsFolder: undefined,
    manageVectors: true,
    cors: undefined,
    keepTexts: false,
    state: { draining: false },
    underWay: new Set(),
    ...changes,
  };
}
