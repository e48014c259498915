/**
 * Which of the live proxies looks after a repository, by rendezvous hashing: all that know the same
 * proxies agree, and when one goes only its own repositories move.
 */
export function preferredOwner(id: bigint, live: ReadonlySet<string>): string | undefined {
  let best: string | undefined;
  let bestScore = -1;
  for (const owner of live) {
    const score = hash(`${owner}/${id}`);
    if (score > bestScore || (score === bestScore && best !== undefined && owner < best)) {
      best = owner;
      bestScore = score;
    }
  }
  return best;
}

/** FNV-1a, 32 bits, with a final mix so that neighbouring ids spread. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
