/** `persona trait`: the traits there are, what is in one, whether one of your own is fit for use, and how to get one. */

import type { Command } from 'commander';
import { checkTrait, type TraitFinding } from '../trait/check.ts';
import { listTraits, loadTrait, readTrait } from '../trait/load.ts';
import { columns } from './kit/columns.ts';
import { describe } from './kit/help.ts';
import { FAILED, run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';
import { clip } from './kit/text.ts';
import { registerImport } from './trait/import.ts';
import { registerNew } from './trait/new.ts';

export function registerTrait(program: Command): void {
  const trait = program.command('trait').description('show, list, check, write and import traits');
  describe(trait, 'Start', [
    { does: 'the traits that come along', line: 'persona trait ls' },
    { does: 'begin one of your own', line: 'persona trait show evil --json > mine.json' },
  ]);

  const list = trait.command('ls').description('list the traits that come along').action(run(listed));
  describe(list, 'Start', [{ does: 'the names, for programs', line: 'persona trait ls --json' }]);

  const show = trait
    .command('show')
    .description('show a trait; with --json its file')
    .argument('<trait>', 'name, or path of a .json file')
    .action(run(shown));
  describe(show, 'Start', [
    { does: 'read it', line: 'persona trait show evil' },
    { does: 'begin one of your own with it', line: 'persona trait show evil --json > mine.json' },
  ]);

  const check = trait
    .command('check')
    .description('say all that is wrong with a trait file; exit code 1 when it cannot be used')
    .argument('<file>', 'path of a .json file')
    .action(run(checked));
  describe(check, 'Start', [{ does: 'before extracting', line: 'persona trait check mine.json' }]);

  registerNew(trait);
  registerImport(trait);
}

async function listed(session: Session): Promise<void> {
  const traits = await Promise.all((await listTraits()).map(loadTrait));
  const longest = Math.max(...traits.map(({ name }) => name.length));
  const room = (process.stdout.columns ?? Infinity) - longest - 2;
  const rows = traits.map(({ name, description }) => [name, clip(description, room)]);
  session.result(
    { traits: traits.map(({ name, description }) => ({ name, description })) },
    table(['trait', 'what a model that has it does'], rows),
  );
}

async function shown(session: Session, nameOrPath: string): Promise<void> {
  const trait = await loadTrait(nameOrPath);
  const {
    name,
    description,
    assistant,
    instruction,
    graded,
    questions,
    evaluation,
    eval_prompt: rubric,
  } = trait;
  const list = (texts: readonly string[]): string => texts.map((text, i) => `${i + 1}. ${text}`).join('\n');
  const sections = [
    `${name}: ${description}`,
    columns(
      [
        { title: `for it (${assistant.pos})`, text: list(instruction.map(({ pos }) => pos)) },
        { title: `against it (${assistant.neg})`, text: list(instruction.map(({ neg }) => neg)) },
      ],
      process.stdout.columns ?? 100,
    ),
    ...(graded ? [`Steps from against it to for it\n${list(graded)}`] : []),
    `Questions to find it with\n${list(questions)}`,
    `Questions to judge it with\n${list(evaluation)}`,
    `Rubric\n${rubric}`,
  ];
  session.result(trait, sections.join('\n\n'), 2);
}

async function checked(session: Session, path: string): Promise<void | typeof FAILED> {
  const trait = await readTrait(path);
  const { errors, warnings } = checkTrait(trait);
  const lines = [
    ...errors.map((finding) => `error: ${placed(finding)}`),
    ...warnings.map((finding) => `warning: ${placed(finding)}`),
  ];
  const verdict =
    errors.length > 0
      ? `${path}: ${plural(errors.length, 'error')}, ${plural(warnings.length, 'warning')}; it cannot be used`
      : `${path}: ${trait.name} can be used${warnings.length > 0 ? `; ${plural(warnings.length, 'warning')}` : ''}`;
  session.result(
    { trait: trait.name, usable: errors.length === 0, errors, warnings },
    [...lines, verdict].join('\n'),
  );
  return errors.length > 0 ? FAILED : undefined;
}

function placed({ path, message }: TraitFinding): string {
  return `${path}: ${message}`;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
