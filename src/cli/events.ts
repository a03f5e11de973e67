/** `persona events`: the answers that persona serve gave, found again. */

import { type Command, InvalidArgumentError } from 'commander';
import { PersonaError } from '../errors.ts';
import type { AnswerEvent } from '../server/contracts.ts';
import { eventsPath } from '../server/events/database.ts';
import { exportEvents } from '../server/events/export.ts';
import { type EventQuery, queryEvents } from '../server/events/query.ts';
import type { Reading } from '../steer/policy/policy.ts';
import { describe } from './kit/help.ts';
import { duration, integer, number } from './kit/options.ts';
import { run, type Session } from './kit/run.ts';
import { table } from './kit/table.ts';

interface EventsOptions extends Pick<
  EventQuery,
  'since' | 'until' | 'key' | 'trait' | 'above' | 'below' | 'rule' | 'finish' | 'limit'
> {
  output?: string;
  db?: string;
}

/** A screen or two; a file gets all. */
const SHOWN = 50;

export function registerEvents(program: Command): void {
  const events = program
    .command('events')
    .description('find the answers that persona serve gave: what the traits read, which rules fired')
    .option('--since <time>', 'not before: 30m, 1h, 7d ago, or a date', moment)
    .option('--until <time>', 'before', moment)
    .option('--key <id>', 'of this key')
    .option('--trait <name>', 'with a reading of this trait')
    .option('--above <z>', 'with a mean above so many standard deviations: of --trait, or of any', number())
    .option('--below <z>', 'with a mean below', number())
    .option('--rule <name>', 'at which this rule fired')
    .option('--finish <reason>', 'that ended so: stop, length, error …')
    .option(
      '--limit <n>',
      `only the newest ones (default: ${SHOWN} on the screen, all into a file)`,
      integer({ min: 1 }),
    )
    .option('-o, --output <file>', 'write them to FILE.jsonl or FILE.parquet')
    .option('--db <path>', 'file of the events (default: server/events.sqlite in the home folder)')
    .action(run(found));
  describe(events, 'Serve and show', [
    { does: 'what went too far in the last hour', line: 'persona events --since 1h --trait evil --above 2' },
    {
      does: 'all of one key, as a table for other tools',
      line: 'persona events --key 0123456789ab -o key.parquet',
    },
  ]);
}

async function found(session: Session, options: EventsOptions): Promise<void> {
  const { output, db = eventsPath(), ...query } = options;
  const { since, until, above, below } = query;
  if (since && until && since >= until) throw new PersonaError('USAGE', '--since lies after --until');
  if (above !== undefined && below !== undefined && above >= below)
    throw new PersonaError('USAGE', 'no mean lies above --above and below --below');
  if (output !== undefined) {
    const events = await exportEvents(output, db, query);
    return session.result({ path: output, events }, `${events} events in ${output}`);
  }
  const events: AnswerEvent[] = [];
  for await (const event of queryEvents(db, { ...query, limit: query.limit ?? SHOWN })) events.push(event);
  session.result({ events }, events.length === 0 ? 'No such events.' : textOf(events));
  if (query.limit === undefined && events.length === SHOWN)
    session.human(`The newest ${SHOWN}; more with --limit, all with -o FILE.jsonl`);
}

function textOf(events: readonly AnswerEvent[]): string {
  const rows = events.map(
    ({ time, keyId, endpoint, completionTokens, totalMs, finishReason, traits, fired }) => [
      time.slice(0, 19).replace('T', ' '),
      keyId,
      endpoint.includes('chat') ? 'chat' : 'text',
      completionTokens,
      Math.round(totalMs),
      finishReason,
      Object.entries(traits)
        .map(([trait, { mean }]) => `${trait} ${meanText(mean)}`)
        .join(', '),
      [...new Set(fired.map(({ rule, action }) => `${rule} (${action})`))].join(', '),
    ],
  );
  return table(['time (UTC)', 'key', 'kind', 'tokens', 'ms', 'finish', 'mean z', 'rules'], rows);
}

/** An answer without a token has no mean: a fallback's, one that was refused. What is not a number was kept as null. */
function meanText({ raw, z }: Reading): string {
  if (Number.isFinite(z)) return signed(z!);
  return Number.isFinite(raw) ? raw.toFixed(2) : '–';
}

/** signed(2.345) = '+2.3σ': unlike a plain projection, which has no unit */
function signed(z: number): string {
  return `${z < 0 ? '−' : '+'}${Math.abs(z).toFixed(1)}σ`;
}

/** moment('1h') = an hour ago, moment('2030-05-01') = then */
function moment(text: string): Date {
  if (/^\d{4}-/.test(text)) {
    const date = new Date(text);
    if (!Number.isNaN(date.getTime())) return date;
  }
  try {
    return new Date(Date.now() - duration(text));
  } catch {
    throw new InvalidArgumentError(
      'Expected a time like 30m, 1h, 7d (ago), 2030-05-01 or 2030-05-01T10:00Z.',
    );
  }
}
