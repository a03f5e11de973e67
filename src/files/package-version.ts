/** The version of this package, written into every file that it makes. */

import { readFileSync } from 'node:fs';

const file = new URL('../../package.json', import.meta.url); // as near from src/files as from dist/files

export const version: string = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
