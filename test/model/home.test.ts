import { expect, test } from 'vitest';
import { homeFolder, modelsFolder, vectorsFolder } from '../../src/model/home.ts';

const linux = { platform: 'linux', userHome: '/home/ada' } as const;

test('PERSONA_HOME comes before XDG_CACHE_HOME, and that before the platform’s place', () => {
  const env = { PERSONA_HOME: '/data/persona', XDG_CACHE_HOME: '/xdg' };
  expect(homeFolder({ ...linux, env })).toBe('/data/persona');
  expect(homeFolder({ ...linux, env: { XDG_CACHE_HOME: '/xdg' } })).toBe('/xdg/persona-vectors');
  expect(homeFolder({ ...linux, env: {} })).toBe('/home/ada/.cache/persona-vectors');
});

test('empty values and a relative XDG_CACHE_HOME count as unset', () => {
  expect(homeFolder({ ...linux, env: { PERSONA_HOME: '', XDG_CACHE_HOME: 'cache' } })).toBe(
    '/home/ada/.cache/persona-vectors',
  );
});

test('a relative PERSONA_HOME is meant from the working folder', () => {
  expect(homeFolder({ ...linux, env: { PERSONA_HOME: 'here' } })).toBe(`${process.cwd()}/here`);
});

test('macOS and Windows have their own places', () => {
  expect(homeFolder({ platform: 'darwin', userHome: '/Users/ada', env: {} })).toBe(
    '/Users/ada/Library/Caches/persona-vectors',
  );
  expect(homeFolder({ platform: 'win32', userHome: '/u', env: { LOCALAPPDATA: '/u/Local' } })).toBe(
    '/u/Local/persona-vectors',
  );
  expect(homeFolder({ platform: 'win32', userHome: '/u', env: {} })).toBe('/u/AppData/Local/persona-vectors');
});

test('models and vectors lie below', () => {
  expect([modelsFolder('/p'), vectorsFolder('/p')]).toEqual(['/p/models', '/p/vectors']);
});
