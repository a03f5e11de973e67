/** Writes the file map into README.md and AGENTS.md: every source file with the first sentence of its opening comment.
 *  `node scripts/file-map.ts --check` only tells whether they are up to date. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folders of src in the order in which data goes through them, and what each is for. */
const FOLDERS: Readonly<Record<string, string>> = {
  math: 'vectors, statistics, random numbers: imports nothing',
  files: 'formats of files, and files written whole',
  engine: 'llama.cpp through FFI, in a process of its own: batch, read, edit, sample',
  model: 'find, fetch and describe models; chat templates; servers that are asked',
  trait: 'define, check, write and ship traits',
  rollout: 'questions × instructions × model → answers',
  judge: 'answers → scores',
  vector: 'scores × means → persona vectors; evidence; files; algebra; layer and coefficient',
  monitor: 'projections while generating, and how well they predict',
  steer: 'from what a user asks for to edits; policies',
  screen: 'data sets → projection difference; finetuning shift',
  train: 'LoRA with preventative steering',
  fleet: 'the same work on many machines',
  server: 'HTTP: OpenAI-compatible, with steering and projections',
  report: 'figures and pages of any run',
  cli: 'one file per verb',
};
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

function foldersIn(folder: string): string[] {
  return readdirSync(join('src', folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => (folder === '' ? entry.name : `${folder}/${entry.name}`))
    .sort();
}

const present = foldersIn('');
const missing = present.filter((folder) => FOLDERS[folder] === undefined);
if (missing.length > 0) throw new Error(`folders that the map does not know: ${missing.join(', ')}`);
const ordered = Object.keys(FOLDERS).filter((folder) => present.includes(folder));

/** For those who work on the code every file, for those who look at it the folders. */
const MAPS: Readonly<Record<string, string>> = {
  'AGENTS.md': ordered
    .flatMap((folder) => [folder, ...foldersIn(folder)])
    .map(folderMap)
    .join('\n'),
  'README.md': ordered.map((folder) => `  ${`${folder}/`.padEnd(9)} ${FOLDERS[folder]}`).join('\n'),
};

let stale = false;
for (const [path, text] of Object.entries(MAPS)) {
  const map = `${MARK}\n\n\`\`\`\nsrc/\n${text}\n\`\`\`\n`;
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
