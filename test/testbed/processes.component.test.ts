import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isRunning, killAndWait, Processes, recordOf } from './processes.ts';
import { waitUntil } from './progress.ts';

describe('recorded processes', () => {
  let folder: string;
  let processes: Processes;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'testbed-processes-'));
    processes = new Processes(join(folder, 'records'), join(folder, 'logs'));
  });
  afterEach(async () => {
    for (const name of await processes.names()) await processes.kill(name);
    await rm(folder, { recursive: true });
  });

  const sleeper = { name: 'sleeper', command: 'sleep', args: ['60'] };

  it('are found again by another run, and killed', async () => {
    const record = await processes.start(sleeper);
    const later = new Processes(join(folder, 'records'), join(folder, 'logs'));
    expect(await later.find('sleeper')).toEqual(record);
    await later.kill('sleeper');
    expect(await isRunning(record)).toBe(false);
    expect(await later.names()).toEqual([]);
  });

  it('leave their output in a log', async () => {
    const command = 'echo out; echo err >&2; sleep 60';
    await processes.start({ name: 'talker', command: 'sh', args: ['-c', command] });
    const log = () => readFile(processes.logFile('talker'), 'utf8');
    await waitUntil('the output', { limitMs: 60_000, everyMs: 10 }, async () => {
      return (await log()) === 'out\nerr\n';
    });
  });

  it('are not taken for a later process with the same number', async () => {
    const record = await processes.start(sleeper);
    const impostor = { pid: record.pid, startTime: '1' };
    expect(await isRunning(impostor)).toBe(false);
    await killAndWait(impostor);
    expect(await isRunning(record)).toBe(true);
  });

  it('that have ended without us are named but not found', async () => {
    const record = await processes.start({ ...sleeper, name: 'brief' });
    process.kill(record.pid);
    await waitUntil(
      'its end',
      { limitMs: 60_000, everyMs: 10 },
      async () => !(await isRunning(record)),
    );
    expect(await processes.find('brief')).toBeUndefined();
    expect(await processes.names()).toEqual(['brief']);
  });

  it('whose record is damaged are not found, and killing them is harmless', async () => {
    await processes.start(sleeper);
    const record = await processes.find('sleeper');
    await writeFile(join(folder, 'records', 'sleeper.json'), '{"pid":');
    expect(await processes.find('sleeper')).toBeUndefined();
    await processes.kill('sleeper');
    if (record !== undefined) await killAndWait(record);
  });

  it('include no process that never was', async () => {
    expect(await recordOf(2 ** 22 + 1)).toBeUndefined();
    const missing = processes.start({ name: 'none', command: join(folder, 'no such'), args: [] });
    await expect(missing).rejects.toThrow('ENOENT');
  });
});
