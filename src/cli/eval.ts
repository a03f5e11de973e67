/** `persona eval`: a trait's evaluation on a model, steered or not. */

import type { Command } from 'commander';
import { registerEvalMonitor } from './eval-monitor.ts';

export function registerEval(program: Command): void {
  const command = program.command('eval').description('x');
  registerEvalMonitor(command);
}
