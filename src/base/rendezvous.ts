/**
 * Chooses one of `candidates` for `key`, by rendezvous hashing: whoever knows the same candidates
 * chooses the same one, keys spread evenly, and when a candidate goes or comes only its own keys move.
 * Undefined if there are none.
 */
export function rendezvous(key: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestScore = -1;
  for (const candidate of candidates) {
    const score = hash(`${candidate}/${key}`);
    if (score > bestScore || (score === bestScore && best !== undefined && candidate < best)) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** FNV-1a, 32 bits, with a final mix so that neighbouring keys spread. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
