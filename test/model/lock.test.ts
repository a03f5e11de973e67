import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withLock } from '../../src/model/lock.ts';
import { temporaryHome } from './temporary-home.ts';

test('bodies never overlap, and a waiter says so once', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, 'deep', '.lock');
  let inside = 0;
  let waits = 0;
  const body = async (): Promise<void> => {
    expect(++inside).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    inside--;
  };
  await Promise.all([1, 2, 3].map(() => withLock(path, { onWait: () => waits++ }, body)));
  expect(waits).toBe(2);
});

test('the lock is free again after an error', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, '.lock');
  await expect(withLock(path, {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await withLock(path, {}, async () => 'yes')).toBe('yes');
});

test('a waiter can be stopped', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, '.lock');
  await withLock(path, {}, async () => {
    const waiting = withLock(path, { signal: AbortSignal.timeout(50) }, async () => 'never');
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

test('a killed holder leaves no stale lock', async () => {
  await using home = await temporaryHome();
  const path = join(home.path, '.lock');
  const holder = spawn(process.execPath, [join(import.meta.dirname, 'lock-holder.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  let waited = false;
  const mine = withLock(path, { onWait: () => (waited = holder.kill('SIGKILL')) }, async () => 'mine');
  expect(await mine).toBe('mine');
  expect(waited).toBe(true);
});

test('a folder that cannot be made is an error that says where to turn', async () => {
  await expect(withLock(join(import.meta.filename, '.lock'), {}, async () => 1)).rejects.toMatchObject({
    code: 'DOWNLOAD',
    remedy: expect.stringContaining('PERSONA_HOME'),
  });
});
