/** The longest packet, with its length. */
const maxPacketLength = 65_520;

/** A pkt-line (gitprotocol-common(5)): data, or one of the special packets. */
export type Packet =
  | { readonly kind: 'data'; readonly data: Buffer }
  | { readonly kind: 'flush' | 'delimiter' | 'response end' };

export const flushPacket = Buffer.from('0000');
export const delimiterPacket = Buffer.from('0001');

/** One packet with this data, at most 65516 bytes. */
export function packet(data: string | Uint8Array): Buffer {
  const body = Buffer.from(data);
  const header = (body.length + 4).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(header), body]);
}

/** Cuts a byte stream into packets; push what arrives, pull what is complete. Holds at most one incomplete packet. */
export class PacketReader {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * The packets that are complete now.
   *
   * @throws Error if a length makes no sense
   */
  *push(chunk: Uint8Array): Generator<Packet> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    try {
      while (this.#rest.length - at >= 4) {
        const length = parseLength(this.#rest.toString('latin1', at, at + 4));
        const end = at + Math.max(4, length);
        if (this.#rest.length < end) break;
        const body = this.#rest.subarray(at + 4, end);
        at = end;
        yield toPacket(length, body);
      }
    } finally {
      this.#rest = this.#rest.subarray(at);
    }
  }
}

function parseLength(header: string): number {
  const length = /^[0-9a-fA-F]{4}$/.test(header) ? Number.parseInt(header, 16) : Number.NaN;
  if (Number.isNaN(length) || length === 3 || length > maxPacketLength) {
    throw new Error(`pkt-line: bad length ${JSON.stringify(header)}`);
  }
  return length;
}

function toPacket(length: number, body: Buffer): Packet {
  if (length === 0) return { kind: 'flush' };
  if (length === 1) return { kind: 'delimiter' };
  if (length === 2) return { kind: 'response end' };
  return { kind: 'data', data: Buffer.from(body) };
}
