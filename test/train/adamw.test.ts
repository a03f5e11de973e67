/** The optimiser and its schedule, worked by hand and beside PyTorch. */

import { describe, expect, test } from 'vitest';
import { adamw, clipScale, gradientNorm } from '../../src/train/adamw.ts';
import { learningRate } from '../../src/train/recipe.ts';

const f32 = (...values: number[]): Float32Array => new Float32Array(values);
const fresh = (length: number) => ({ first: new Float32Array(length), second: new Float32Array(length) });

/**
 * What PyTorch 2.15 and transformers 5.23 print for this:
 *
 *     p = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 0.0]))
 *     opt = torch.optim.AdamW([p], lr=0.1, weight_decay=0.1)
 *     plan = get_linear_schedule_with_warmup(opt, 2, 6)
 *     for t in range(6):
 *         p.grad = torch.tensor([3.0, -0.01, 0.5 * (-1) ** t, 1e-9]) * (t + 1)
 *         norm = torch.nn.utils.clip_grad_norm_([p], 5.0)
 *         lr = plan.get_last_lr()[0]
 *         opt.step(); plan.step()
 *         print(round(lr, 6), round(float(norm), 5), [float(f"{x:.7g}") for x in p.tolist()])
 */
const TORCH: [rate: number, norm: number, values: number[]][] = [
  [0.0, 3.0414, [1.0, -2.0, 0.5, 0.0]],
  [0.05, 6.0828, [0.9458031, -1.940803, 0.5118875, -0.005892797]],
  [0.1, 9.12419, [0.8370224, -1.822073, 0.482165, -0.01849812]],
  [0.075, 12.16559, [0.75583, -1.733492, 0.4896327, -0.02818286]],
  [0.05, 15.20699, [0.7019319, -1.674706, 0.4796095, -0.03471952]],
  [0.025, 18.24839, [0.6750595, -1.645401, 0.4811054, -0.03801385]],
];

test('six clipped steps with a linear schedule end where PyTorch ends', () => {
  const value = f32(1, -2, 0.5, 0);
  const moments = fresh(4);
  TORCH.forEach(([rate, norm, values], t) => {
    const gradient = f32(3, -0.01, 0.5 * (-1) ** t, 1e-9).map((x) => x * (t + 1));
    expect(gradientNorm([gradient.subarray(0, 1), gradient.subarray(1)])).toBeCloseTo(norm, 4);
    const now = learningRate({ learningRate: 0.1, schedule: 'linear', warmup: 2 }, t, TORCH.length);
    expect(now).toBeCloseTo(rate, 6);
    adamw(value, gradient, moments, {
      learningRate: now,
      weightDecay: 0.1,
      scale: clipScale(gradientNorm([gradient]), 5),
      step: t + 1,
    });
    values.forEach((expected, i) => expect(value[i], `step ${t}, value ${i}`).toBeCloseTo(expected, 5));
  });
});

test('by hand: the first step goes by the rate against the sign, whatever the size; weights decay by themselves', () => {
  const value = f32(1, 1, 1);
  const plan = { learningRate: 0.1, weightDecay: 0, scale: 1, step: 1 };
  adamw(value, f32(1000, -0.001, 0), fresh(3), plan);
  expect([...value]).toEqual([expect.closeTo(0.9, 5), expect.closeTo(1.1, 5), 1]);
  adamw(value, f32(0, 0, 0), fresh(3), { ...plan, weightDecay: 0.5 });
  expect(value[2]).toBeCloseTo(0.95, 6);
});

test('gradients are cut to the limit, shorter ones stay', () => {
  expect(gradientNorm([f32(3, 0), f32(4)])).toBe(5);
  expect(clipScale(5, 1)).toBeCloseTo(0.2, 6);
  expect(clipScale(0.5, 1)).toBe(1);
  expect(clipScale(5, Infinity)).toBe(1);
});

describe('learning rate', () => {
  const rates = (schedule: 'linear' | 'cosine' | 'constant', warmup: number): number[] =>
    Array.from({ length: 6 }, (_, step) => learningRate({ learningRate: 0.1, schedule, warmup }, step, 6));

  test('linear and constant', () => {
    expect(rates('linear', 0)).toEqual(
      [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6].map((x) => expect.closeTo(x / 10)),
    );
    expect(rates('constant', 3)).toEqual([0, 1 / 3, 2 / 3, 1, 1, 1].map((x) => expect.closeTo(x / 10)));
  });

  test("cosine, as transformers' get_cosine_schedule_with_warmup(optimizer, 2, 6)", () => {
    expect(rates('cosine', 2)).toEqual(
      [0, 0.05, 0.1, 0.085355, 0.05, 0.014645].map((x) => expect.closeTo(x, 6)),
    );
  });

  test('a warm-up longer than the run', () => {
    expect(rates('linear', 100).at(-1)).toBeCloseTo(0.005, 9);
  });
});
