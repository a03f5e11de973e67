/**
 * From the halves of factor pairs, as files have them, to the factors of an adapter. What is missing, of another rank
 * or width, or not a number is said by the tensor's own name, before any number is read where that can be.
 */

import { TARGETS, type Target } from '../engine/training/architecture.ts';
import { PersonaError } from '../errors.ts';
import type { Adapter, AdapterFactors } from './adapter.ts';

/** A or B of one matrix, as it stands in a file. */
export interface Half {
  /** of the tensor in its file */
  name: string;
  rows: number;
  columns: number;
}

export interface Pair {
  /** (rank × inputs) */
  a?: Half;
  /** (outputs × rank) */
  b?: Half;
}

export interface FoundFactors extends AdapterFactors {
  rank: number;
}

/** These read the residual stream; the other targets write it. */
const READS_STREAM: ReadonlySet<Target> = new Set(['attn_q', 'attn_k', 'attn_v', 'ffn_gate', 'ffn_up']);

/** What a file can say of a matrix that is no target. */
export const OTHER_MATRIX: { remedy: string } = {
  remedy: `adapters here change ${TARGETS.join(', ')}; as a GGUF file this one may still be used beside a model with --lora`,
};

/** `blk.3.attn_q` → [3, 'attn_q']; undefined for what is no target. */
export function parseMatrix(name: string): [block: number, target: Target] | undefined {
  const found = /^blk\.(\d{1,6})\.(\w+)$/.exec(name);
  return found && isTarget(found[2]!) ? [Number(found[1]), found[2]] : undefined;
}

function isTarget(name: string): name is Target {
  return (TARGETS as readonly string[]).includes(name);
}

/** Those of TARGETS that some block has factors for. */
export function targetsOf(matrices: Iterable<string>): Target[] {
  const found = new Set([...matrices].map((name) => parseMatrix(name)?.[1]));
  return TARGETS.filter((target) => found.has(target));
}

/**
 * Reads all pairs, by block and then by target.
 * @param pairs by `blk.B.TARGET`
 * @param read a half's numbers, row by row
 * @throws PersonaError BAD_FILE naming file and tensor
 */
export async function readPairs(
  path: string,
  pairs: ReadonlyMap<string, Pair>,
  read: (half: Half) => Promise<Float32Array>,
): Promise<Map<string, FoundFactors>> {
  if (pairs.size === 0) throw bad(path, 'there are no factors in it');
  const whole = [...pairs].map(([matrix, pair]) => ({ matrix, ...wholePair(path, matrix, pair) }));
  const place = ({ matrix }: { matrix: string }): number => {
    const [block, target] = parseMatrix(matrix)!;
    return block * TARGETS.length + TARGETS.indexOf(target);
  };
  whole.sort((x, y) => place(x) - place(y));
  refuseWidths(path, whole);
  const out = new Map<string, FoundFactors>();
  for (const { matrix, a, b } of whole) {
    const numbers = async (half: Half): Promise<Float32Array> => {
      const found = await read(half);
      const strange = found.findIndex((x) => !Number.isFinite(x));
      if (strange >= 0) throw bad(path, `${half.name} holds a value that is not finite, at ${strange}`);
      return found;
    };
    out.set(matrix, { rank: a.rows, a: await numbers(a), b: await numbers(b) });
  }
  return out;
}

function wholePair(path: string, matrix: string, { a, b }: Pair): { a: Half; b: Half } {
  if (!a) throw bad(path, `${b!.name} has no A beside it, for ${matrix}`);
  if (!b) throw bad(path, `${a.name} has no B beside it, for ${matrix}`);
  if (a.rows !== b.columns || a.rows === 0)
    throw bad(path, `${a.name} has rank ${a.rows}, ${b.name} has rank ${b.columns}`);
  if (a.columns === 0 || b.rows === 0) throw bad(path, `${matrix}: factors of no width`);
  return { a, b };
}

/** The stream is equally wide wherever it is read or written. */
function refuseWidths(path: string, pairs: readonly { matrix: string; a: Half; b: Half }[]): void {
  let first: { name: string; width: number } | undefined;
  for (const { matrix, a, b } of pairs) {
    const reads = READS_STREAM.has(parseMatrix(matrix)![1]);
    const here = reads ? { name: a.name, width: a.columns } : { name: b.name, width: b.rows };
    first ??= here;
    if (here.width !== first.width)
      throw bad(path, `${here.name} is ${here.width} wide, ${first.name} is ${first.width}`);
  }
}

/**
 * What a writer asks of an adapter that comes from a program.
 * @throws PersonaError USAGE naming the field
 */
export function checkAdapter({ rank, alpha, layers, targets, factors }: Adapter): void {
  const wrong = (what: string): PersonaError => new PersonaError('USAGE', `this adapter's ${what}`);
  if (!(Number.isSafeInteger(rank) && rank > 0)) throw wrong(`rank is ${rank}, not a whole number above 0`);
  if (!Number.isFinite(alpha) || alpha === 0)
    throw wrong(`alpha is ${alpha}; files have 0 for "no scale", so it can be any other number`);
  if (factors.size === 0) throw wrong('factors are none');
  for (const [matrix, { a, b }] of factors) {
    const place = parseMatrix(matrix);
    if (!place || place[0] >= layers || !targets.includes(place[1]))
      throw wrong(
        `factors of ${matrix} are of no matrix of its ${layers} blocks and targets ${targets.join(', ')}`,
      );
    for (const [half, numbers] of [
      ['A', a],
      ['B', b],
    ] as const) {
      if (numbers.length === 0 || numbers.length % rank !== 0)
        throw wrong(`${half} of ${matrix} has ${numbers.length} numbers, at rank ${rank}`);
      const strange = numbers.findIndex((x) => !Number.isFinite(x));
      if (strange >= 0) throw wrong(`${half} of ${matrix} holds a value that is not finite, at ${strange}`);
    }
  }
}

export function bad(path: string, problem: string): PersonaError {
  return new PersonaError('BAD_FILE', `${path}: ${problem}`, {
    remedy: 'Get the adapter again, or train it anew.',
  });
}
