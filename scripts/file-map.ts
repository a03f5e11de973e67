/** Writes the file map into README.md and AGENTS.md: every source file with the first sentence of its opening comment.
 *  `node scripts/file-map.ts --check` only tells whether they are up to date. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ORDER = [
  'math',
  'files',
  'engine',
  'model',
  'trait',
  'rollout',
  'judge',
  'vector',
  'vector/foreign',
  'vector/torch',
  'monitor',
  'steer',
  'report',
  'cli',
  'cli/bench',
  'cli/kit',
  'cli/vectors',
];
const MARK = '<!-- file-map -->';

function firstSentence(path: string): string {
  const source = readFileSync(path, 'utf8').replace(/^#!.*\n/, '');
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? '';
  const text = comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .trim();
  // a sentence ends at a full stop before a space; `e.g.` and file names go on
  return /^.*?\.(?=\s|$)(?<!e\.g\.|i\.e\.)/.exec(text)?.[0].replace(/\.$/, '') ?? text;
}

function folderMap(folder: string): string {
  const files = readdirSync(join('src', folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => entry.name)
    .sort();
  const width = Math.max(...files.map((file) => file.length));
  return [
    `${folder}/`,
    ...files.map((file) => `  ${file.padEnd(width)}  ${firstSentence(join('src', folder, file))}`),
  ].join('\n');
}

const folders = new Set(
  readdirSync('src', { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .map((e) => e.name),
);
const missing = [...folders].filter((folder) => !ORDER.includes(folder));
if (missing.length > 0) throw new Error(`folders that the map does not know: ${missing.join(', ')}`);

const map = `${MARK}\n\n\`\`\`\nsrc/\n${ORDER.filter((folder) => folders.has(folder.split('/')[0]!))
  .map(folderMap)
  .join('\n')}\n\`\`\`\n`;
let stale = false;
for (const path of ['README.md', 'AGENTS.md']) {
  const page = readFileSync(path, 'utf8');
  const at = page.indexOf(MARK);
  const after = /```\n([\s\S]*?)```\n/.exec(page.slice(at));
  const end = after ? at + after.index + after[0].length : at + MARK.length + 1;
  const written = page.slice(0, at) + map + page.slice(end);
  if (written === page) continue;
  stale = true;
  if (!process.argv.includes('--check')) writeFileSync(path, written);
}
if (process.argv.includes('--check') && stale) {
  process.stderr.write('the file map of README.md or AGENTS.md is out of date: npm run file-map\n');
  process.exitCode = 1;
}
