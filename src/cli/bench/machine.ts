/** What a measurement was taken on. */

import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import type { ChatModel } from '../../model/chat-model.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  platform: string;
  node: string;
  /** the system's load over the last minute before the run: above 0 others compute too */
  loadBefore: number;
  threads: number;
  model: {
    name: string;
    architecture: string;
    quantization: string;
    sha256: string;
    bytes: number;
    parameters: number;
  };
  devices: string[];
}

export function describeMachine(
  { engine, identity }: ChatModel,
  threads: number,
  loadBefore: number,
): Machine {
  const { name, architecture, quantization, sha256 } = identity;
  const { sizeBytes, parameters, devices } = engine.info;
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    loadBefore,
    threads,
    model: { name, architecture, quantization, sha256, bytes: sizeBytes, parameters },
    devices,
  };
}

/** 0 where the system does not tell (Windows). */
export function systemLoad(): number {
  return loadavg()[0]!;
}
