import { createHash } from 'node:crypto';

const counted = /HEAD|refs\/(heads|tags|keep-around|merge-requests|environments|notes)\//;

const zeroChecksum = '0'.repeat(40);

/**
 * The checksum of a repository's references: the XOR of the SHA-1 of each line of `git show-ref --head`.
 * Like Gitaly's, it leaves out leading zero bytes, and it is 40 zeros if nothing was counted.
 */
export function checksumOf(showRefLines: readonly string[]): string {
  let sum = 0n;
  for (const line of showRefLines) {
    if (counted.test(line)) sum ^= BigInt(`0x${createHash('sha1').update(line).digest('hex')}`);
  }
  if (sum === 0n) return zeroChecksum;
  const hex = sum.toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}
