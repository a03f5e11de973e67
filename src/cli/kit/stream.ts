/** An answer as it is written, and what was read of it. */

import type { TokenEvent } from '../../engine/request.ts';
import { tokenZ } from '../../monitor/baseline.ts';
import type { Watch } from '../../monitor/watch.ts';
import type { Steering } from '../../steer/resolve.ts';
import type { Answer } from './answer.ts';
import { heat, heatLegend } from './heat.ts';
import { readingsTable } from './readings-table.ts';
import type { Session } from './run.ts';

/** Text as it comes, in the colours of the one watched trait where there are colours and a baseline. */
export function streamTo(
  session: Session,
  watches: readonly Watch[],
  steering: Steering,
  { legend: wanted = true }: { /** @default true */ legend?: boolean } = {},
): { events: (events: TokenEvent[]) => void; end: (answered: Answer) => void } {
  const [watch, ...more] = watches;
  const { baseline } = watch?.vector ?? {};
  const colored = watch !== undefined && baseline !== undefined && more.length === 0;
  const depth = colored ? session.colors.result : 'none';
  return {
    events(events) {
      const tokens = events.map(({ text, projections }) => ({
        text,
        z: colored ? (tokenZ(projections![0]!, baseline, watch.layer) ?? undefined) : undefined,
      }));
      session.stream(heat(tokens, depth));
    },
    end({ text, persona }) {
      if (!text.endsWith('\n')) session.stream('\n');
      if (persona === undefined) return;
      const legend = wanted && depth !== 'none' ? heatLegend(watch!.vector.trait, session.colors.human) : '';
      const table = readingsTable(watches, [{ persona }], steering.edits);
      session.human(`\n${legend}${legend === '' ? '' : '\n'}${table}`);
    },
  };
}
