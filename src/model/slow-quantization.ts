/**
 * Which quantisations the packaged llama.cpp multiplies one column at a time on a CPU. The others have a kernel
 * that takes a batch of columns at once (its repacked layouts and its tinyBLAS), which prefill, extraction and
 * screening live on. On a GPU none of this matters.
 */

/** By the kernels that the pinned llama.cpp library exports. Q5_0 has one on x86 only. */
const withoutBatchedKernel = /^(?:Q4_1|Q5_1|Q3_K(?:_\w+)?|IQ[123]_\w+|IQ4_XS|TQ\d_\d)$/;

/**
 * A warning for people who run `typeName` on a CPU.
 * @param typeName as in a file's name or metadata, e.g. `Q4_1`
 * @returns undefined when there is nothing to warn of
 */
export function slowQuantization(typeName: string, arch: string = process.arch): string | undefined {
  const type = typeName.toUpperCase();
  if (type === 'Q4_1') {
    return 'Q4_1 has no fast batched CPU kernel: it reads prompts at about half the speed of Q8_0 (197 against 366 tokens/s, measured on a 135M model). On a CPU prefer Q8_0 or Q4_0.';
  }
  if (withoutBatchedKernel.test(type) || (type === 'Q5_0' && arch !== 'x64')) {
    return `${type} has no fast batched CPU kernel: it reads prompts slowly. On a CPU prefer Q8_0 or Q4_0.`;
  }
  return undefined;
}
