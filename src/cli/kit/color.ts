/** How many colours a stream shows. */

import { WriteStream } from 'node:tty';

export type ColorDepth = 'none' | '256' | 'full';

/** NO_COLOR and --no-color win; FORCE_COLOR colours also what goes into a pipe or file. */
export function colorDepth(
  stream: { isTTY?: boolean },
  wanted: boolean,
  env: NodeJS.ProcessEnv = process.env,
): ColorDepth {
  const forced = env.FORCE_COLOR !== undefined;
  if (!wanted || env.NO_COLOR || !(stream.isTTY || forced)) return 'none';
  const bits = WriteStream.prototype.getColorDepth(env);
  return bits >= 24 ? 'full' : bits >= 8 ? '256' : 'none';
}
