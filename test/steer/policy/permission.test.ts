import fc from 'fast-check';
import { expect, test } from 'vitest';
import { norm } from '../../../src/math/vector.ts';
import { permissionText } from '../../../src/steer/policy/permission.ts';
import { parseSpec } from '../../../src/steer/spec.ts';
import { direction } from '../../../src/vector/vector.ts';
import { ADA, EVIL, KIND, policies } from './a-policy.ts';

const STEER = `steer: { kind: { min: -1, max: 2, layers: [1, 2], ops: [add, inc, cap], scopes: [response] }, evil: { max: 0 }, "*": false }`;

function check(yaml: string, ...specs: string[]): void {
  const run = policies(yaml).begin(ADA, { id: 'a', turn: 0 });
  run.checkSteering(specs.map((text, i) => ({ spec: parseSpec(text, () => false), path: `steering[${i}]` })));
}
/** the cap that forces what c times the vector would add to the usual */
const bound = (c: number): number => EVIL.baseline!.mean[2]! + c * norm(direction(KIND, 2));

test.each([
  ['kind=2'],
  ['kind=-1@1-2'],
  ['kind=1@1-2:inc'],
  ['kind=1', 'kind=1'],
  ['kind=2@1', 'kind=2@2'],
  ['evil=-7@0-3/all'],
  [`kind=${bound(-0.99)}:cap`],
  [`kind=>=${bound(1.99)}:cap`],
])('allowed: %s %s', (...specs) => {
  check(STEER, ...specs);
});

test.each<[string[], string]>([
  [['kind=2.1'], 'steering[0]: policy p does not allow kind=2.1: the coefficient at layer 2 comes to 2.1'],
  [
    ['kind=1', 'kind=1.1'],
    'steering[1]: policy p does not allow kind=1.1: the coefficient at layer 2 comes to 2.1',
  ],
  [['kind=-2'], 'comes to -2'],
  // where the scopes differ they do not cancel
  [['kind=-1', 'kind=3'], 'steering[1]: policy p does not allow kind=3'],
  [['kind=-1', 'kind=2', 'kind=1'], 'the coefficient at layer 2 comes to 3'],
  [['kind=1@0-2'], 'layer 0 is outside layers 1 to 2'],
  [['kind=1:inc'], 'layer 0 is outside'],
  [['kind=1/all'], 'the scope is none of response'],
  [['kind:ablate'], 'the operation is none of add, inc, cap'],
  [['evil=-1:cap'], 'the operation is none of add'],
  [['evil=0.1'], 'comes to 0.1'],
  [['evil'], 'comes to 1.5'], // its own
  [['evil=1%'], 'comes to '],
  [['evil=0.1u'], 'comes to '],
  [[`kind=${bound(-1.01)}:cap`], 'would force more than -1 times the vector'],
  [[`kind=>=${bound(2.01)}:cap`], 'would force more than 2 times the vector'],
  [['odd=0'], 'steering[0]: policy p does not allow odd=0: odd may not be steered'],
])('refused: %j', (specs, message) => {
  expect(() => check(STEER, ...specs)).toThrow(
    expect.objectContaining({
      code: 'FORBIDDEN',
      message: expect.stringContaining(message),
      remedy:
        'Callers may steer kind (add or inc or cap, -1 to 2 times the vector, layers 1 to 2, scope response), evil (add, at most 0 times the vector), and nothing else.',
    }),
  );
});

test('anything, nothing, and all but some', () => {
  check('watch: []', 'evil=99');
  check('steer: true', 'evil=99');
  expect(() => check('steer: false', 'evil=0')).toThrow('evil may not be steered');
  check('steer: { evil: false, "*": true }', 'kind=99');
  check('steer: { "*": { max: 1 } }', 'kind=1');
  expect(() => check('steer: { "*": { max: 1 } }', 'kind=1.5')).toThrow('comes to 1.5');
  expect(() => check('steer: { evil: false, "*": true }', 'evil=1')).toThrow(
    expect.objectContaining({ remedy: 'Callers may steer anything, but not evil.' }),
  );
  // what is not named is not meant
  expect(() => check('steer: { kind: true }', 'evil=1')).toThrow('evil may not be steered');
  expect(permissionText({ kind: false })).toBe('nothing');
  expect(() => check('steer: { "*": { max: 1 } }', 'odd=1')).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND', message: 'steering[0]: no vector odd is loaded' }),
  );
});

test('however a push is cut up, the sum at each layer stays within', () => {
  const pushes = fc.array(
    fc.integer({ min: -8, max: 12 }).map((n) => n / 4),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(pushes, (coefficients) => {
      let allowed = true;
      try {
        check(STEER, ...coefficients.map((c) => `kind=${c}`));
      } catch {
        allowed = false;
      }
      const sum = (sign: number): number =>
        coefficients.reduce((total, c) => total + (c * sign > 0 ? c : 0), 0);
      expect(allowed).toBe(sum(-1) >= -1 && sum(1) <= 2);
    }),
  );
});
