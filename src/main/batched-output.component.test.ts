import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { BatchedOutput } from './batched-output.ts';

describe('output in batches', () => {
  let folder: string;
  let file: string;
  let fd: number;
  let clock: ManualClock;
  let output: BatchedOutput;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batched-output-'));
    file = join(folder, 'log');
    fd = openSync(file, 'w');
    clock = new ManualClock();
    output = new BatchedOutput({ fd, clock });
  });
  afterEach(async () => {
    closeSync(fd);
    await rm(folder, { recursive: true });
  });

  const read = () => readFile(file, 'utf8');

  it('waits a tenth of a second for more', async () => {
    output.write('first\n');
    output.write('second, with “ümläuts” and 🦊\n');
    await clock.advance(99);
    expect(await read()).toBe('');
    await clock.advance(1);
    await eventually('the lines are written', async () => (await read()).endsWith('🦊\n'));
    expect(await read()).toBe('first\nsecond, with “ümläuts” and 🦊\n');
  });

  it('does not wait when there is much, and keeps the order', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${'€'.repeat(20)}\n`);
    for (const line of lines) output.write(line);
    const all = lines.join('');
    await eventually('most lines are written', async () => (await read()).length > all.length / 2);
    // The last ones are fewer than a batch.
    await eventually('all lines are written', async () => {
      await clock.advance(100);
      return (await read()).length === all.length;
    });
    expect(await read()).toBe(all);
    expect(output.droppedLines).toBe(0);
  });

  it('writes what is left at the end of the process', async () => {
    output.write('last wörds\n');
    output.writeAscii('and words\n');
    output.flushSync();
    expect(await read()).toBe('last wörds\nand words\n');
  });

  it('takes lines that are bytes already, between the others', async () => {
    output.write('from here\n');
    output.writeBytes(Buffer.from('from a worker: ümläuts\nand another\n'));
    output.write('from here again\n');
    output.flushSync();
    expect(await read()).toBe('from here\nfrom a worker: ümläuts\nand another\nfrom here again\n');
  });

  it('counts each line of bytes that it drops', () => {
    const lines = Buffer.from(`${'x'.repeat(511 * 1024)}\n`.repeat(2));
    for (let count = 0; count < 40; count++) output.writeBytes(lines);
    expect(output.droppedLines % 2).toBe(0);
    expect(output.droppedLines).toBeGreaterThan(0);
  });

  it('drops lines rather than to keep more than 16 MiB', () => {
    const line = `${'x'.repeat(1024 * 1024)}\n`;
    for (let count = 0; count < 40; count++) output.write(line);
    expect(output.droppedLines).toBeGreaterThan(0);
  });
});
