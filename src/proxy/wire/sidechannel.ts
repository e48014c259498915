import { type Clock, TimeoutError } from '../../base/clock.ts';
import type { SidechannelStream } from './backchannel.ts';
import { HandshakeTransport } from './handshake-transport.ts';
import { sidechannelMagic } from './magic.ts';
import type { YamuxSession } from './yamux/session.ts';

const acknowledgement = Buffer.from('ok');

export interface OpenSidechannelOptions {
  readonly clock: Clock;
  /** From here to the client's `ok`. Default 5 s, as Gitaly has it. */
  readonly limitMs?: number;
}

/**
 * Opens a sidechannel to the client that asked for `id` (its `gitaly-sidechannel-id`), and resolves
 * when the client has accepted it. The stream is not started.
 *
 * Source: the wire of Gitaly: magic and 8 bytes of id, big endian; the answer is `ok`.
 *
 * @throws Error if the client refuses or goes away; TimeoutError after `limitMs`
 */
export function openSidechannel(
  mux: YamuxSession,
  id: bigint,
  options: OpenSidechannelOptions,
): Promise<SidechannelStream> {
  const { clock, limitMs = 5000 } = options;
  const stream = new HandshakeTransport(mux.open());
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      timer.cancel();
      stream.conclude();
      stream.destroy(error);
      reject(error);
    };
    const timer = clock.after(limitMs, () =>
      fail(new TimeoutError(`opening sidechannel ${id} to ${mux.peer}`, limitMs)),
    );
    stream.begin({
      onBytes() {
        const answer = stream.peek(acknowledgement.length);
        if (answer.length < acknowledgement.length) return;
        if (!answer.equals(acknowledgement)) {
          fail(new Error(`${mux.peer} answered sidechannel ${id} with something else than ok`));
          return;
        }
        timer.cancel();
        stream.take(acknowledgement.length);
        stream.conclude();
        resolve(stream);
      },
      onGone: (error) =>
        fail(new Error(`${mux.peer} did not accept sidechannel ${id}`, { cause: error })),
    });
    stream.say(sidechannelHeader(id));
  });
}

/** Accepts a sidechannel that the peer opened. What is written to the stream follows. */
export function answerSidechannel(stream: SidechannelStream): void {
  stream.say(acknowledgement);
}

function sidechannelHeader(id: bigint): Buffer {
  const header = Buffer.alloc(sidechannelMagic.length + 8);
  sidechannelMagic.copy(header);
  header.writeBigInt64BE(id, sidechannelMagic.length);
  return header;
}
