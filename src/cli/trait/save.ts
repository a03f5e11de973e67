/** Where a trait that was written or imported goes: its file when it is fit for use, else a draft to be corrected. */

import { existsSync } from 'node:fs';
import { PersonaError } from '../../errors.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { checkTrait, isTraitName } from '../../trait/check.ts';
import { badTrait } from '../../trait/schema.ts';
import type { Trait } from '../../trait/trait.ts';
import type { Session } from '../kit/run.ts';

/** Before any work is done: the name can be one, and nobody's file is in the way. */
export function checkTarget(name: string, path: string): void {
  if (!isTraitName(name)) {
    throw new PersonaError('USAGE', `a trait cannot be called ${JSON.stringify(name)}`, {
      remedy: 'Use small letters, digits, - and _ only.',
    });
  }
  if (!existsSync(path)) return;
  throw new PersonaError('USAGE', `${path} is there already`, {
    remedy: 'Name another file with -o, or move this one.',
  });
}

/**
 * @param advice what else than correcting the draft by hand could be done
 * @throws PersonaError BAD_TRAIT with all that is wrong, once the draft is safe
 */
export async function saveTrait(session: Session, path: string, trait: Trait, advice = ''): Promise<void> {
  const { errors, warnings } = checkTrait(trait);
  const text = `${JSON.stringify(trait, null, 2)}\n`;
  if (errors.length > 0) {
    const draft = `${path.replace(/\.json$/, '')}.draft.json`;
    await writeWhole(draft, text);
    const mistakes = errors.map((finding) => `${finding.path}: ${finding.message}`);
    throw new PersonaError('BAD_TRAIT', badTrait(draft, mistakes).message, {
      remedy: `The draft is kept: correct it by hand until \`persona trait check ${draft}\` finds nothing.${advice}`,
    });
  }
  await writeWhole(path, text);
  for (const { path: field, message } of warnings) session.human(`warning: ${field}: ${message}`);
  session.result({ trait: trait.name, path, warnings }, path);
}
