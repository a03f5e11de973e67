/** `persona train --study`: what the data do to a trait, and what keeps it away, side by side. */

import { join } from 'node:path';
import { PersonaError } from '../errors.ts';
import { watchedLayer } from '../monitor/watch.ts';
import { writeStudyPage } from '../report/study-page.ts';
import { study, type StudyEvent, type StudyResult } from '../train/study.ts';
import type { TrainEvent } from '../train/train.ts';
import { traitsOf } from '../screen/diff/traits.ts';
import { readCapability } from '../vector/capability-items.ts';
import { vectorFinder } from '../vector/find.ts';
import { contextFor } from './extract.ts';
import { openJudges } from './kit/judge-options.ts';
import { stepsOf } from './kit/model-options.ts';
import type { Session } from './kit/run.ts';
import { studyText } from './kit/study-text.ts';
import { trainOptionsOf, type TrainVerbOptions } from './kit/train-options.ts';
import { scoringOptions, shown } from './train.ts';

export async function studyVerb(
  session: Session,
  data: string[],
  options: TrainVerbOptions,
  folder: string,
): Promise<void> {
  const spec = options.study!;
  if (!options.scores)
    throw new PersonaError('USAGE', '--no-scores would leave nothing of a study', {
      remedy: 'Leave it out; --no-capability makes it quicker.',
    });
  for (const [given, name] of [
    [options.steer, '--steer'],
    [options.ablate, '--ablate'],
    [options.watch, '--watch'],
    [options.failOn, '--fail-on'],
    [options.output, '--output'],
    [options.peft, '--peft'],
    [options.merge, '--merge'],
  ] as const)
    if (given !== undefined)
      throw new PersonaError(
        'USAGE',
        `${name} is given together with --study, which trains in several ways itself`,
        {
          remedy: `Leave ${name} out; each adapter of the study lies in its folder.`,
        },
      );
  const vector = await vectorFinder()(spec.vector);
  const layer = watchedLayer(spec, vector);
  await using judges = await openJudges(session, options);
  const steps = stepsOf(session);
  const { gates: _, ...asked } = await trainOptionsOf(session, data, folder, options, steps.report);
  const [trait] = await traitsOf([{ vector, source: spec.vector }], asked.traits ?? []);
  const capability = options.capability ? await readCapability() : undefined;
  const events = study({
    ...asked,
    engine: { ...asked.engine, context: contextFor(options.maxTokens) },
    vector: { source: spec.vector, layer, vector },
    ...(options.coefficients && { coefficients: options.coefficients }),
    ...(options.inference && { inference: options.inference }),
    ...(options.caft && { caft: options.caft }),
    scoring: {
      ...scoringOptions(options, judges.choices, capability),
      traits: [{ trait: trait!, vector }],
    },
  });
  const result = await told(session, events, folder, steps.end);
  steps.end();
  const page = join(folder, 'study.html');
  await writeStudyPage(page, result);
  session.result({ ...result, run: folder, page }, `${studyText(result)}\n\npage: ${page}`);
}

/** One training after the other is told as a run of its own. */
async function told(
  session: Session,
  events: AsyncGenerator<StudyEvent>,
  folder: string,
  endSteps: () => void,
): Promise<StudyResult> {
  for (;;) {
    const next = await events.next();
    if (next.done) throw new PersonaError('ABORTED', 'the study ended without a result');
    const event = next.value;
    if (event.type === 'done') return event.result;
    if (event.type === 'scoring') continue;
    session.human(`\n${event.arm}`);
    const { arm } = event;
    const own = async function* (): AsyncGenerator<TrainEvent> {
      yield event.event;
      for (;;) {
        const { value, done } = await events.next();
        if (done || value.type !== 'training') return;
        yield value.event;
        if (value.event.type === 'done') return;
      }
    };
    await shown(session, own(), join(folder, arm, 'report.html'), endSteps, arm);
  }
}
