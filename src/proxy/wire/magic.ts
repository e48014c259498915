/** Opens a connection that carries yamux. Source: Gitaly's wire, 11 ASCII bytes, no answer. */
export const backchannelMagic = Buffer.from('backchannel');

/** Opens a yamux stream that is a sidechannel; 8 bytes of id follow. */
export const sidechannelMagic = Buffer.from('sidechannel');

/**
 * Compares what a connection began with to a magic. Anything that differs is decided at its first
 * other byte, so that no client waits for bytes that it never sends.
 */
export function matchMagic(received: Buffer, magic: Buffer): 'yes' | 'no' | 'undecided' {
  const length = Math.min(received.length, magic.length);
  if (received.compare(magic, 0, length, 0, length) !== 0) return 'no';
  return length === magic.length ? 'yes' : 'undecided';
}
