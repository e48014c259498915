import { create } from '@bufbuild/protobuf';
import {
  type PackfileNegotiationStatistics,
  PackfileNegotiationStatisticsSchema,
} from '../../../src/gen/gitaly/packfile_pb.ts';
import { PacketReader } from './pkt-line.ts';

/** Counts what a client of upload-pack says, up to `done`, as Gitaly reports it. */
export class NegotiationStatistics {
  readonly #reader = new PacketReader();
  readonly #counts: PackfileNegotiationStatistics = create(PackfileNegotiationStatisticsSchema);
  #over = false;

  /** Looks at bytes of the client. What it cannot read ends the count. */
  push(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      for (const packet of this.#reader.push(chunk)) {
        if (this.#over) return;
        this.#count(packet.kind === 'data' ? packet.data.toString('latin1') : '');
      }
    } catch {
      this.#over = true;
    }
  }

  get result(): PackfileNegotiationStatistics {
    return this.#counts;
  }

  #count(data: string): void {
    const line = data.replace(/\n$/, '');
    const [word, ...rest] = line.split(' ');
    const counts = this.#counts;
    counts.payloadSize += BigInt(line.length);
    if (word === 'done') {
      this.#over = true;
      return;
    }
    counts.packets += 1n;
    if (word === 'want') {
      counts.wants += 1n;
      if (rest.length > 1) counts.caps = rest.slice(1);
    } else if (word === 'have') counts.haves += 1n;
    else if (word === 'shallow') counts.shallows += 1n;
    else if (word === 'filter') counts.filter = rest[0] ?? '';
    else if (word?.startsWith('deepen')) counts.deepen = line;
  }
}
