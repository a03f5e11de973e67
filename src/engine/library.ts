/**
 * Finds and loads llama.cpp's shared libraries from the platform package, and picks the compute backends.
 *
 * The prebuilt packages carry one library per CPU family; ggml chooses the fastest that this processor runs.
 * A GPU package (`@node-llama-cpp/linux-x64-vulkan`, `…-cuda`) is used when somebody installed it.
 */

import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi from 'koffi';
import { PersonaError } from '../errors.ts';

/** Struct layouts and symbol names below belong to exactly this release of llama.cpp. */
export const LLAMA_VERSION = '0.5.0';

export type Library = ReturnType<typeof koffi.load>;

export interface Libraries {
  ggmlBase: Library;
  ggml: Library;
  llama: Library;
  folder: string;
  /** package the libraries came from */
  source: string;
}

const platform = `${process.platform === 'darwin' ? 'mac' : process.platform === 'win32' ? 'win' : process.platform}-${
  process.platform === 'darwin' && process.arch === 'arm64' ? 'arm64-metal' : process.arch
}`;

/** Best first: a GPU package is only there when the user added it. */
function candidates(): string[] {
  if (process.platform === 'darwin') return [platform];
  return [`${platform}-cuda`, `${platform}-vulkan`, platform];
}

function binaryFolder(name: string): string | undefined {
  let main: string;
  try {
    main = createRequire(import.meta.url).resolve(`@node-llama-cpp/${name}`);
  } catch {
    return undefined;
  }
  const bins = join(dirname(dirname(main)), 'bins');
  if (!existsSync(bins)) return undefined;
  const folder = readdirSync(bins).find((entry) => !entry.startsWith('_'));
  return folder === undefined ? undefined : join(bins, folder);
}

/**
 * File names carry the release, and in GPU packages the backend (`libllama.v0.5.0.so`, `libllama.vulkan.v0.5.0.so`), so
 * they are found by pattern.
 */
export function libraryFile(folder: string, stem: string): string {
  const pattern = new RegExp(`^(lib)?${stem}(\\.[a-z]+)?(\\.v[0-9.]+)?\\.(so|dylib|dll)$`);
  const hit = readdirSync(folder).find((entry) => pattern.test(entry));
  if (hit === undefined) throw new PersonaError('UNSUPPORTED', `no ${stem} library in ${folder}`);
  return join(folder, hit);
}

/** Loads the libraries into this process. `PERSONA_BACKEND` names one package (`linux-x64`) to force it. */
export function loadLibraries(): Libraries {
  const forced = process.env.PERSONA_BACKEND;
  const names = forced ? [forced] : candidates();
  const name = names.find((candidate) => binaryFolder(candidate) !== undefined);
  if (name === undefined) {
    throw new PersonaError(
      'UNSUPPORTED',
      `no llama.cpp build for ${platform}: looked for ${names.map((n) => `@node-llama-cpp/${n}`).join(', ')}`,
      {
        remedy: `npm install @node-llama-cpp/${names.at(-1)}@3.22.1`,
      },
    );
  }
  const folder = binaryFolder(name)!;
  // Order matters: each resolves symbols of the one before through the global namespace.
  const ggmlBase = koffi.load(libraryFile(folder, 'ggml-base'), { global: true });
  const ggml = koffi.load(libraryFile(folder, 'ggml'), { global: true });
  const llama = koffi.load(libraryFile(folder, 'llama'), { global: true });
  return { ggmlBase, ggml, llama, folder, source: `@node-llama-cpp/${name}` };
}
