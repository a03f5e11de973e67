#!/usr/bin/env node
/** The command `persona`. */

import { main } from './main.ts';

await main(process.argv.slice(2));
