/** The parts of a verb's help that commander does not know: its group, and examples. */

import type { Command } from 'commander';

/** Headings of `persona --help`, in the order of the work. */
export type Group = 'Start' | 'Find' | 'Watch and steer' | 'Screen and train' | 'Serve and show' | 'Measure';

export interface Example {
  /** what it does */
  does: string;
  /** the whole line, `persona …` */
  line: string;
}

/** Adds the group and the examples to a verb's help. */
export function describe(command: Command, group: Group, examples: readonly Example[]): Command {
  return command.helpGroup(`${group}:`).addHelpText('after', examplesText(examples));
}

export function examplesText(examples: readonly Example[]): string {
  const entries = examples.map(({ does, line }) => `  # ${does}\n  ${line}`);
  return `\nExamples:\n${entries.join('\n\n')}\n`;
}
