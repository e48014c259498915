import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { seededRandom } from '../../base/random.ts';
import { splice, type SpliceOutcome } from './splice.ts';
import type { Transport, TransportEvents } from './transport.ts';
import { memoryLink, type MemoryLinkOptions, Recorder } from './yamux/testing.ts';
import { YamuxSession } from './yamux/session.ts';
import type { YamuxStream } from './yamux/stream.ts';

/** A stream between two sessions: `near` is for the splice, `far` is the peer. */
async function createLeg(nearRole: 'client' | 'server', linkOptions: MemoryLinkOptions) {
  const link = memoryLink(linkOptions);
  const accepted: YamuxStream[] = [];
  const base = { clock: new ManualClock(), maxStreamWindowBytes: 262_144, onClosed() {} };
  const near = new YamuxSession({ ...base, transport: link.a, role: nearRole, onStream() {} });
  const far = new YamuxSession({
    ...base,
    transport: link.b,
    role: nearRole === 'client' ? 'server' : 'client',
    onStream: (stream) => accepted.push(stream),
  });
  near.start();
  far.start();
  const stream = near.open();
  await link.settle();
  const peer = accepted[0];
  if (peer === undefined) throw new Error('no stream');
  return { link, near, far, stream, peer };
}

/** A peer that sends all it has, consumes at its own pace, and ends as told. */
class Peer implements TransportEvents {
  readonly recorder = new Recorder();
  isEager = true;
  #owed = 0;
  #toSend: Buffer;
  readonly #stream: Transport;
  readonly #endsAfterSending: boolean;
  /** Go's peers close when they read the end. */
  answersEnd = true;

  constructor(stream: Transport, toSend: Buffer, endsAfterSending: boolean) {
    this.#stream = stream;
    this.#toSend = toSend;
    this.#endsAfterSending = endsAfterSending;
    stream.start(this);
    this.onDrain();
  }

  get unsent(): number {
    return this.#toSend.length;
  }

  onData(chunk: Buffer): void {
    this.recorder.onData(chunk);
    if (this.isEager) this.#stream.consumed(chunk.length);
    else this.#owed += chunk.length;
  }

  onDrain(): void {
    for (let n = this.#stream.capacity(); n > 0; n = this.#stream.capacity()) {
      if (this.#toSend.length === 0) break;
      const length = Math.min(n, this.#toSend.length);
      this.#stream.write(this.#toSend, length);
      this.#toSend = this.#toSend.subarray(length);
    }
    if (this.#toSend.length === 0 && this.#endsAfterSending) this.#stream.end();
  }

  onEnd(): void {
    this.recorder.onEnd();
    if (this.answersEnd) this.#stream.end();
  }

  onClose(error: Error | undefined): void {
    this.recorder.onClose(error);
  }

  catchUp(): void {
    this.#stream.consumed(this.#owed);
    this.#owed = 0;
  }
}

interface Options {
  readonly fromClient?: Buffer;
  readonly fromServer?: Buffer;
  readonly clientEnds?: boolean;
  readonly serverEnds?: boolean;
  readonly link?: MemoryLinkOptions;
}

async function createSplice(options: Options) {
  const { fromClient = Buffer.alloc(0), fromServer = Buffer.alloc(0), link = {} } = options;
  const clientLeg = await createLeg('server', link);
  const serverLeg = await createLeg('client', link);
  const outcomes: SpliceOutcome[] = [];
  void splice(clientLeg.stream, serverLeg.stream).then((outcome) => outcomes.push(outcome));
  const client = new Peer(clientLeg.peer, fromClient, options.clientEnds ?? false);
  const server = new Peer(serverLeg.peer, fromServer, options.serverEnds ?? false);
  const settle = async () => {
    // What one leg delivers moves the other, a window at a time.
    for (let round = 0; round < 12; round += 1) {
      await clientLeg.link.settle();
      await serverLeg.link.settle();
    }
  };
  return { clientLeg, serverLeg, client, server, outcomes, settle };
}

function pattern(length: number, factor: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * factor) & 0xff;
  return bytes;
}

describe('splice', () => {
  test('carries both directions and completes when the server has ended', async () => {
    const scenario = fc.record({
      seed: fc.integer(),
      client: fc.integer({ min: 0, max: 400_000 }),
      server: fc.integer({ min: 0, max: 900_000 }),
      capacityBytes: fc.integer({ min: 2000, max: 100_000 }),
      clientEnds: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ seed, client, server, capacityBytes, clientEnds }) => {
        const random = seededRandom(seed);
        const nextChunk = () => 1 + Math.floor(random.next() ** 3 * 60_000);
        const [fromClient, fromServer] = [pattern(client, 7), pattern(server, 13)];
        const play = await createSplice({
          fromClient: Buffer.from(fromClient),
          fromServer: Buffer.from(fromServer),
          clientEnds,
          serverEnds: false,
          link: { capacityBytes, nextChunk },
        });
        play.server.answersEnd = false;
        await play.settle();
        expect(play.outcomes).toEqual([]);
        expect(play.server.recorder.bytes.equals(fromClient)).toBe(true);
        expect(play.server.recorder.log.includes('end')).toBe(clientEnds);
        expect(play.client.recorder.bytes.equals(fromServer)).toBe(true);
        play.serverLeg.peer.end();
        await play.settle();
        const counts = { fromClient: client, fromServer: server };
        expect(play.outcomes).toEqual([{ kind: 'completed', ...counts }]);
        expect(play.client.recorder.log.at(-1)).toBe('close');
        expect(play.client.recorder.closeError).toBeUndefined();
        // Both streams are closed in order on all four ends.
        const { clientLeg, serverLeg } = play;
        const sessions = [clientLeg.near, clientLeg.far, serverLeg.near, serverLeg.far];
        expect(sessions.map((session) => session.streamCount)).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 25 },
    );
  });

  test('delivers the tail of a server that closed at once to a client that reads late', async () => {
    const fromServer = pattern(600_000, 13);
    const play = await createSplice({ fromServer: Buffer.from(fromServer), serverEnds: true });
    play.client.isEager = false;
    await play.settle();
    expect(play.outcomes).toEqual([]);
    while (play.outcomes.length === 0) {
      play.client.catchUp();
      await play.settle();
    }
    expect(play.client.recorder.bytes.equals(fromServer)).toBe(true);
    expect(play.client.recorder.log).toEqual(['data', 'end', 'close']);
  });

  test('holds a sender back when the other side does not read', async () => {
    const play = await createSplice({ fromServer: pattern(3_000_000, 13) });
    play.client.isEager = false;
    await play.settle();
    // A window on each leg, and one that the splice keeps at most.
    expect(3_000_000 - play.server.unsent).toBeLessThanOrEqual(2 * 262_144);
    play.client.isEager = true;
    while (play.server.unsent > 0) {
      play.client.catchUp();
      await play.settle();
    }
    expect(play.client.recorder.bytes).toHaveLength(3_000_000);
  });

  test('drops what the client still sends after the server has ended', async () => {
    const play = await createSplice({ fromClient: pattern(2_000_000, 7), clientEnds: true });
    play.server.isEager = false;
    play.client.answersEnd = false;
    await play.settle();
    expect(play.client.unsent).toBeGreaterThan(0);
    play.serverLeg.peer.end();
    await play.settle();
    expect(play.outcomes[0]?.kind).toBe('completed');
    expect(play.client.unsent).toBe(0);
    expect(play.clientLeg.near.streamCount).toBe(0);
  });

  test.each(['client', 'server'] as const)('fails when the %s resets its stream', async (side) => {
    const play = await createSplice({ fromServer: Buffer.from('part') });
    await play.settle();
    const leg = side === 'client' ? play.clientLeg : play.serverLeg;
    leg.peer.destroy();
    await play.settle();
    expect(play.outcomes).toEqual([
      {
        kind: 'failed',
        side,
        reason: expect.stringMatching(/reset/),
        fromClient: 0,
        fromServer: 4,
      },
    ]);
    const other = side === 'client' ? play.server : play.client;
    expect(other.recorder.closeError?.message).toMatch(/reset/);
  });

  test('fails when the connection of the client is lost while the tail is on its way', async () => {
    const play = await createSplice({ fromServer: pattern(600_000, 13), serverEnds: true });
    play.client.isEager = false;
    await play.settle();
    play.clientLeg.near.destroy(new Error('lost'));
    await play.settle();
    expect(play.outcomes).toEqual([expect.objectContaining({ side: 'client', reason: 'lost' })]);
  });

  test('completes when the connection of the server is lost while the tail is on its way', async () => {
    const fromServer = pattern(380_000, 13);
    const play = await createSplice({ fromServer: Buffer.from(fromServer), serverEnds: true });
    play.client.isEager = false;
    await play.settle();
    play.serverLeg.near.destroy(new Error('lost'));
    while (play.outcomes.length === 0) {
      play.client.catchUp();
      await play.settle();
    }
    expect(play.outcomes[0]?.kind).toBe('completed');
    expect(play.client.recorder.bytes.equals(fromServer)).toBe(true);
  });

  test('is cancelled by destroying a stream', async () => {
    const play = await createSplice({});
    play.serverLeg.stream.destroy(new Error('the call was cancelled'));
    await play.settle();
    expect(play.outcomes).toEqual([
      expect.objectContaining({ side: 'server', reason: 'the call was cancelled' }),
    ]);
    expect(play.client.recorder.log).toEqual(['close']);
  });
});
