/** The arithmetic of edits, worked by hand and as properties. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEdits, compileEdits, dotAt, unitVector, type CompiledEdit } from '../../src/engine/edits.ts';
import { partOf } from '../../src/engine/part.ts';
import type { Edit, Scope } from '../../src/engine/request.ts';

const f32 = (...values: number[]): Float32Array => new Float32Array(values);

/** The row after the edits, at the last prompt token (which every scope but `generated` covers). */
function edited(row: Float32Array, ...edits: Edit[]): { row: Float32Array; applied: number[] } {
  const compiled = compileEdits(edits);
  const out = row.slice();
  applyEdits(compiled, out, 0, row.length, partOf(0, 1));
  return { row: out, applied: compiled.map((edit) => edit.applied) };
}

const base = { layer: 0 } as const;

describe('by hand', () => {
  test('add: h + c·v, with v as it is', () => {
    const { row, applied } = edited(f32(1, 2, 3), {
      ...base,
      op: 'add',
      direction: f32(0, 2, -1),
      coefficient: 1.5,
    });
    expect([...row]).toEqual([1, 5, 1.5]);
    expect(applied).toEqual([1]);
  });

  test('ablate: the component along v̂ is gone, the rest stays', () => {
    const { row } = edited(f32(3, 4, 5), { ...base, op: 'ablate', direction: f32(0, 10, 0) });
    expect([...row]).toEqual([3, 0, 5]);
  });

  test('cap: a projection outside the bounds is moved to the bound, along v̂', () => {
    const cap = (h: number, bounds: { above?: number; below?: number }): [number, number] => {
      const { row, applied } = edited(f32(h, 7), { ...base, op: 'cap', direction: f32(4, 0), ...bounds });
      expect(row[1]).toBe(7);
      return [row[0]!, applied[0]!];
    };
    expect(cap(5, { above: 2 })).toEqual([2, 1]);
    expect(cap(1, { above: 2 })).toEqual([1, 0]);
    expect(cap(2, { above: 2 })).toEqual([2, 0]);
    expect(cap(-5, { below: -2 })).toEqual([-2, 1]);
    expect(cap(-1, { below: -2 })).toEqual([-1, 0]);
    expect(cap(0.5, { below: 1, above: 3 })).toEqual([1, 1]);
    expect(cap(9, { below: 1, above: 3 })).toEqual([3, 1]);
    expect(cap(-8, { above: -2, below: -4 })).toEqual([-4, 1]);
  });

  test('edits act in the order of the list', () => {
    const add: Edit = { ...base, op: 'add', direction: f32(1, 0), coefficient: 10 };
    const cap: Edit = { ...base, op: 'cap', direction: f32(1, 0), above: 2 };
    expect(edited(f32(1, 0), add, cap).row[0]).toBe(2);
    expect(edited(f32(1, 0), cap, add).row[0]).toBe(11);
  });

  test('a condition looks at the row before any edit, between its bounds and not at them', () => {
    const add: Edit = { ...base, op: 'add', direction: f32(1, 0), coefficient: 10 };
    const when = (bounds: { above?: number; below?: number }): Edit => ({
      ...base,
      op: 'add',
      direction: f32(0, 1),
      coefficient: 1,
      when: { direction: f32(3, 0), ...bounds },
    });
    // the first edit makes the projection 11, the condition still sees 1
    expect(edited(f32(1, 0), add, when({ above: 5 })).row[1]).toBe(0);
    expect(edited(f32(1, 0), add, when({ below: 5 })).row[1]).toBe(1);
    expect(edited(f32(1, 0), when({ above: 1 })).applied).toEqual([0]);
    expect(edited(f32(1, 0), when({ below: 1 })).applied).toEqual([0]);
    expect(edited(f32(1, 0), when({ above: 0.5, below: 1.5 })).applied).toEqual([1]);
    expect(edited(f32(1, 0), when({})).applied).toEqual([1]);
  });

  test('only the row that is meant changes', () => {
    const rows = f32(1, 1, 2, 2, 3, 3);
    const edit = compileEdits([{ ...base, op: 'add', direction: f32(1, 1), coefficient: 10 }]);
    applyEdits(edit, rows, 1, 2, partOf(0, 1));
    expect([...rows]).toEqual([1, 1, 12, 12, 3, 3]);
  });
});

test('every scope covers its positions of a prompt of 3 and an answer of 2', () => {
  const covered = (scope: Scope | undefined, promptLength: number): number[] => {
    const edit: Edit = { ...base, op: 'add', direction: f32(1), coefficient: 1, ...(scope ? { scope } : {}) };
    const compiled = compileEdits([edit]);
    return [0, 1, 2, 3, 4].filter((position) =>
      applyEdits(compiled, f32(0), 0, 1, partOf(position, promptLength)),
    );
  };
  expect(covered('response', 3)).toEqual([2, 3, 4]);
  expect(covered(undefined, 3)).toEqual([2, 3, 4]);
  expect(covered('prompt', 3)).toEqual([0, 1, 2]);
  expect(covered('all', 3)).toEqual([0, 1, 2, 3, 4]);
  expect(covered('last_prompt', 3)).toEqual([2]);
  expect(covered('generated', 3)).toEqual([3, 4]);
  expect(covered('prompt', 1)).toEqual([0]);
  expect(covered('response', 1)).toEqual([0, 1, 2, 3, 4]);
});

describe('for any row and direction', () => {
  const d = 8;
  const component = fc.float({ min: -1000, max: 1000, noNaN: true });
  const vector = fc.array(component, { minLength: d, maxLength: d }).map((x) => new Float32Array(x));
  const direction = vector.filter((v) => dotAt(v, 0, v, d) > 1e-3);
  /** f32 rounding of a row of this size */
  const slack = (row: Float32Array): number => 1e-5 * (1 + Math.sqrt(dotAt(row, 0, row, d)));

  test('ablation leaves no projection, and twice is once', () => {
    fc.assert(
      fc.property(vector, direction, (row, v) => {
        const once = edited(row, { ...base, op: 'ablate', direction: v }).row;
        expect(Math.abs(dotAt(once, 0, unitVector(v), d))).toBeLessThan(slack(row));
        const twice = edited(once, { ...base, op: 'ablate', direction: v }).row;
        twice.forEach((x, i) => expect(Math.abs(x - once[i]!)).toBeLessThan(slack(row)));
      }),
    );
  });

  test('adding c·v moves the projection by c‖v‖; adding −c·v takes it back', () => {
    fc.assert(
      fc.property(vector, direction, fc.float({ min: -5, max: 5, noNaN: true }), (row, v, coefficient) => {
        const unit = unitVector(v);
        const norm = Math.sqrt(dotAt(v, 0, v, d));
        const there = edited(row, { ...base, op: 'add', direction: v, coefficient }).row;
        const moved = dotAt(there, 0, unit, d) - dotAt(row, 0, unit, d);
        expect(Math.abs(moved - coefficient * norm)).toBeLessThan(slack(row) + slack(there));
        const back = edited(there, { ...base, op: 'add', direction: v, coefficient: -coefficient }).row;
        back.forEach((x, i) => expect(Math.abs(x - row[i]!)).toBeLessThan(slack(row) + slack(there)));
      }),
    );
  });

  test('a capped projection is within its bounds, and was left alone if it was before', () => {
    const bounds = fc.tuple(component, component).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(vector, direction, bounds, (row, v, [below, above]) => {
        const unit = unitVector(v);
        const was = dotAt(row, 0, unit, d);
        const { row: out, applied } = edited(row, { ...base, op: 'cap', direction: v, above, below });
        const is = dotAt(out, 0, unit, d);
        if (was >= below && was <= above) {
          expect(out).toEqual(row);
          expect(applied).toEqual([0]);
        } else {
          const bound = was > above ? above : below;
          expect(Math.abs(is - bound)).toBeLessThan(slack(row) + slack(out));
          expect(applied).toEqual([1]);
        }
      }),
    );
  });

  test('ablations and caps move the row along v only', () => {
    fc.assert(
      fc.property(vector, direction, component, fc.boolean(), (row, v, bound, ablates) => {
        const edit: Edit = ablates
          ? { ...base, op: 'ablate', direction: v }
          : { ...base, op: 'cap', direction: v, above: bound };
        const out = edited(row, edit).row;
        const unit = unitVector(v);
        const along = dotAt(out, 0, unit, d) - dotAt(row, 0, unit, d);
        out.forEach((x, i) =>
          expect(Math.abs(x - row[i]! - along * unit[i]!)).toBeLessThan(slack(row) + slack(out)),
        );
      }),
    );
  });

  test('the length of a direction matters to add only', () => {
    fc.assert(
      fc.property(vector, direction, component, (row, v, above) => {
        const longer = v.map((x) => 4 * x); // a power of two, so that v̂ is the same number
        const same = (a: Edit, b: Edit): void => expect(edited(row, a).row).toEqual(edited(row, b).row);
        same({ ...base, op: 'ablate', direction: v }, { ...base, op: 'ablate', direction: longer });
        same({ ...base, op: 'cap', direction: v, above }, { ...base, op: 'cap', direction: longer, above });
      }),
    );
  });

  test('compiling does not touch what it is given', () => {
    fc.assert(
      fc.property(direction, (v) => {
        const copy = v.slice();
        const compiled: CompiledEdit[] = compileEdits([
          { ...base, op: 'add', direction: v, coefficient: 3 },
          { ...base, op: 'ablate', direction: v },
        ]);
        compiled.forEach((edit) => edit.vector.fill(0));
        expect(v).toEqual(copy);
      }),
    );
  });
});
