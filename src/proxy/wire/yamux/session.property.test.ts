import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { seededRandom } from '../../../base/random.ts';
import type { TransportEvents } from '../transport.ts';
import { frameFlag, FrameReader, frameType, initialWindowBytes } from './frames.ts';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { memoryLink, turn } from './testing.ts';

/** What one side sends on a stream, and how it ends. */
interface Script {
  readonly bytes: number;
  readonly ending: 'end' | 'destroy';
  /** Share of the delivered bytes that is consumed at once; the rest later. */
  readonly eagerness: number;
}

interface Scenario {
  readonly seed: number;
  readonly windowBytes: number;
  readonly capacityBytes: number;
  readonly streams: readonly { readonly opener: 'a' | 'b'; readonly scripts: [Script, Script] }[];
}

const script: fc.Arbitrary<Script> = fc.record({
  bytes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 350_000 })),
  ending: fc.oneof({ weight: 5, arbitrary: fc.constant('end' as const) }, fc.constant('destroy')),
  eagerness: fc.constantFrom(0, 0.5, 1),
}) as fc.Arbitrary<Script>;

const scenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.integer(),
  windowBytes: fc.constantFrom(262_144, 262_145, 300_000),
  capacityBytes: fc.integer({ min: 1000, max: 300_000 }),
  streams: fc.array(
    fc.record({ opener: fc.constantFrom('a', 'b'), scripts: fc.tuple(script, script) }),
    { minLength: 1, maxLength: 5 },
  ),
});

/** Byte `index` of what `sender` sends on a stream. */
function patternAt(streamId: number, sender: 'a' | 'b', index: number): number {
  return (streamId * 31 + (sender === 'a' ? 7 : 13) + index * 17 + (index >> 8)) & 0xff;
}

/** Counts windows from the bytes alone, and knows when a side sends beyond them. */
class WireObserver {
  readonly violations: string[] = [];
  readonly #windows = { a: new Map<number, number>(), b: new Map<number, number>() };
  readonly #readers = { a: this.#reader('a'), b: this.#reader('b') };

  observe(from: 'a' | 'b', chunk: Buffer): void {
    this.#readers[from].push(chunk);
  }

  #reader(from: 'a' | 'b'): FrameReader {
    const other = from === 'a' ? 'b' : 'a';
    return new FrameReader({
      onHeader: (type, flags, id, length) => {
        if (type === frameType.goAway) this.violations.push(`${from} sent GoAway ${length}`);
        if ((flags & frameFlag.syn) !== 0) {
          this.#windows.a.set(id, initialWindowBytes);
          this.#windows.b.set(id, initialWindowBytes);
        }
        if (type === frameType.windowUpdate) this.#add(other, id, length);
        if (type === frameType.data) this.#add(from, id, -length);
      },
      onPayload() {},
    });
  }

  #add(side: 'a' | 'b', id: number, delta: number): void {
    const window = (this.#windows[side].get(id) ?? 0) + delta;
    this.#windows[side].set(id, window);
    if (window < 0) this.violations.push(`${side} overran its window on stream ${id}`);
  }
}

/** Plays a script on one end of a stream and checks what the other end sends. */
class Actor implements TransportEvents {
  received = 0;
  isCorrupt = false;
  hasEnd = false;
  closes = 0;
  closeError: Error | undefined;
  #sent = 0;
  #owed = 0;
  readonly #side: 'a' | 'b';
  readonly #stream: YamuxStream;
  readonly #script: Script;

  constructor(side: 'a' | 'b', stream: YamuxStream, script: Script) {
    this.#side = side;
    this.#stream = stream;
    this.#script = script;
    stream.start(this);
    this.onDrain();
  }

  onData(chunk: Buffer): void {
    const sender = this.#side === 'a' ? 'b' : 'a';
    for (const byte of chunk) {
      if (byte !== patternAt(this.#stream.id, sender, this.received)) this.isCorrupt = true;
      this.received += 1;
    }
    if (this.hasEnd || this.closes > 0) this.isCorrupt = true;
    const now = Math.floor(chunk.length * this.#script.eagerness);
    this.#stream.consumed(now);
    this.#owed += chunk.length - now;
  }

  onDrain(): void {
    let left = this.#script.bytes - this.#sent;
    for (let room = this.#stream.capacity(); room > 0 && left > 0; room = this.#stream.capacity()) {
      const length = Math.min(room, left, 70_000);
      const bytes = Buffer.alloc(length);
      for (let index = 0; index < length; index += 1) {
        bytes[index] = patternAt(this.#stream.id, this.#side, this.#sent + index);
      }
      this.#stream.write(bytes, length);
      bytes.fill(0);
      this.#sent += length;
      left -= length;
    }
    if (left > 0) return;
    if (this.#script.ending === 'end') this.#stream.end();
    else this.#stream.destroy();
  }

  onEnd(): void {
    this.hasEnd = true;
  }

  onClose(error: Error | undefined): void {
    this.closes += 1;
    this.closeError = error;
  }

  /** Consumes what was held back. @returns true if there was something */
  catchUp(): boolean {
    const owed = this.#owed;
    this.#owed = 0;
    this.#stream.consumed(owed);
    return owed > 0;
  }
}

async function play({ seed, windowBytes, capacityBytes, streams }: Scenario) {
  const random = seededRandom(seed);
  const observer = new WireObserver();
  const link = memoryLink({
    capacityBytes,
    nextChunk: () => 1 + Math.floor(random.next() ** 4 * 100_000),
    observe: (from, chunk) => observer.observe(from, chunk),
  });
  const actors = { a: new Map<number, Actor>(), b: new Map<number, Actor>() };
  const scripts = new Map<number, readonly [Script, Script]>();
  const startActor = (side: 'a' | 'b', isOpener: boolean, stream: YamuxStream) => {
    const [openers, acceptors] = scripts.get(stream.id) ?? [];
    const script = isOpener ? openers : acceptors;
    if (script === undefined) throw new Error('no script');
    actors[side].set(stream.id, new Actor(side, stream, script));
  };
  const create = (side: 'a' | 'b', role: 'client' | 'server') =>
    new YamuxSession({
      transport: link[side],
      role,
      clock: new ManualClock(),
      maxStreamWindowBytes: windowBytes,
      acceptBacklog: 2,
      onStream: (stream) => {
        // Sometimes the consumer comes later than the data.
        if (random.next() < 0.5) startActor(side, false, stream);
        else void turn().then(() => startActor(side, false, stream));
      },
      onClosed() {},
    });
  const sessions = { a: create('a', 'client'), b: create('b', 'server') };
  sessions.a.start();
  sessions.b.start();
  const ids = { a: 1, b: 2 };
  for (const { opener, scripts: pair } of streams) {
    scripts.set(ids[opener], pair);
    ids[opener] += 2;
    startActor(opener, true, sessions[opener].open());
  }
  let moved = true;
  while (moved) {
    await link.settle();
    moved = [...actors.a.values(), ...actors.b.values()]
      .map((actor) => actor.catchUp())
      .includes(true);
  }
  return { sessions, actors, scripts, observer };
}

describe('two yamux sessions', () => {
  test('carry every byte in order within the windows, whatever the chunks and the pace', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (scenario) => {
        const { sessions, actors, scripts, observer } = await play(scenario);
        expect(observer.violations).toEqual([]);
        expect([sessions.a.streamCount, sessions.b.streamCount]).toEqual([0, 0]);
        for (const [id, [openers, acceptors]] of scripts) {
          const [opener, acceptor] = id % 2 === 1 ? (['a', 'b'] as const) : (['b', 'a'] as const);
          const ends = [
            { actor: actors[opener].get(id), expected: acceptors.bytes },
            { actor: actors[acceptor].get(id), expected: openers.bytes },
          ];
          const isOrderly = openers.ending === 'end' && acceptors.ending === 'end';
          for (const { actor, expected } of ends) {
            // A stream that is reset at once may never be seen by the other side.
            if (actor === undefined) continue;
            expect(actor.isCorrupt).toBe(false);
            expect(actor.closes).toBe(1);
            if (!isOrderly) continue;
            expect({ received: actor.received, hasEnd: actor.hasEnd }).toEqual({
              received: expected,
              hasEnd: true,
            });
            expect(actor.closeError).toBeUndefined();
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});
