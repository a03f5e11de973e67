#!/usr/bin/env node
/** The command `persona`. */

import { enableCompileCache } from 'node:module';

enableCompileCache(); // before the rest is loaded: the next start finds it compiled
const { main } = await import('./main.ts');

await main(process.argv.slice(2));
