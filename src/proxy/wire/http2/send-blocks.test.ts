import { describe, expect, test } from '@jest/globals';
import { SendBlocks } from './send-blocks.ts';

const long = 16_384;

function take(blocks: SendBlocks, count: number): Buffer[] {
  return Array.from({ length: count }, () => blocks.take(long));
}

function giveBack(blocks: SendBlocks, given: readonly Buffer[]): void {
  for (const block of given) blocks.giveBack(block);
}

/** How many of the next `count` blocks are among those that were given back. */
function usedAgain(blocks: SendBlocks, count: number, given: readonly Buffer[]): number {
  return take(blocks, count).filter((block) => given.includes(block)).length;
}

describe('blocks for data that waits', () => {
  test('are used again', () => {
    const blocks = new SendBlocks();
    const first = blocks.take(long);
    const second = blocks.take(long);
    expect(second).not.toBe(first);
    blocks.giveBack(first);
    expect(blocks.take(5000)).toBe(first);
  });

  test('are smaller for what is short', () => {
    const blocks = new SendBlocks();
    const short = blocks.take(4096);
    expect(short).toHaveLength(4096);
    blocks.giveBack(short);
    expect(blocks.take(4097)).toHaveLength(long);
  });

  test('are kept up to 4 MiB while none is in use', () => {
    const blocks = new SendBlocks();
    const taken = take(blocks, 1000);
    giveBack(blocks, taken);
    expect(usedAgain(blocks, 1000, taken)).toBe(256);
  });

  test('are kept up to as many as are in use', () => {
    const blocks = new SendBlocks();
    const taken = take(blocks, 1000);
    giveBack(blocks, taken.slice(0, 600));
    expect(usedAgain(blocks, 600, taken)).toBe(400);
  });
});
