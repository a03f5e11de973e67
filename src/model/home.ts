/**
 * The one folder where fetched models, named vectors and small caches live.
 *
 *     $PERSONA_HOME                          wherever the user says
 *     $XDG_CACHE_HOME/persona-vectors        if set, as the XDG rules want: absolute or ignored
 *     ~/.cache/persona-vectors               Linux and other Unix
 *     ~/Library/Caches/persona-vectors       macOS
 *     %LOCALAPPDATA%\persona-vectors         Windows
 *         models/    weights, one folder per source
 *         vectors/   vectors that can be named without a path
 */

import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

const folderName = 'persona-vectors';

export interface HomeOptions {
  /** @default process.env */
  env?: Record<string, string | undefined>;
  /** @default process.platform */
  platform?: NodeJS.Platform;
  /** @default the user's home folder */
  userHome?: string;
}

export function homeFolder(options: HomeOptions = {}): string {
  const { env = process.env, platform = process.platform, userHome = homedir() } = options;
  if (env['PERSONA_HOME']) return resolve(env['PERSONA_HOME']);
  const xdg = env['XDG_CACHE_HOME'];
  if (xdg && isAbsolute(xdg)) return join(xdg, folderName);
  if (platform === 'darwin') return join(userHome, 'Library', 'Caches', folderName);
  if (platform === 'win32')
    return join(env['LOCALAPPDATA'] || join(userHome, 'AppData', 'Local'), folderName);
  return join(userHome, '.cache', folderName);
}

export function modelsFolder(home: string = homeFolder()): string {
  return join(home, 'models');
}

export function vectorsFolder(home: string = homeFolder()): string {
  return join(home, 'vectors');
}
