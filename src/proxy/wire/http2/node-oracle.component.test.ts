import { createServer, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { connectedClient } from './conformance/connected-client.ts';
import type { Http2Session } from './session.ts';
import { fieldsOf, Recorder, requestHead, type PlainFields } from './testing.ts';

const letters = (alphabet: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...Array.from(alphabet)), maxLength });
const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join(
  '',
);
/** Names and values that repeat, and ones that do not; Latin letters, since node takes no others. */
const field = fc.oneof(
  fc.tuple(
    fc.constantFrom('grpc-tags-bin', 'x-a', 'x-b', 'grpc-timeout', 'x-gitlab-correlation-id'),
    fc.constantFrom('', 'a', '1S', 'a value that is rather long and repeats'),
  ),
  fc.tuple(
    letters('abcdefghijklmnopqrstuvwxyz0123456789-_.', 20).map((name) => `x-${name}`),
    fc.oneof(
      letters(printable, 30),
      letters('aeiou, ', 500).map((value) => value.trim()),
    ),
  ),
);
const list = fc.array(field, { maxLength: 20 });
/** What is asked and answered on one connection. */
const exchanges = fc.array(fc.record({ asked: list, answered: list }), {
  minLength: 1,
  maxLength: 12,
});

/** The headers once more at the end, as they came. */
type StreamArguments = readonly [headers: unknown, flags: unknown, raw: readonly string[]];

/** A server of node:http2 that keeps what it is asked, and answers with what is next in `answers`. */
async function startNode(headerTableSize: number, answers: OutgoingHttpHeaders[]) {
  const asked: PlainFields[] = [];
  const server = createServer({ settings: { headerTableSize } });
  server.on('stream', (stream: ServerHttp2Stream, ...[, , raw]: StreamArguments) => {
    const pairs = Array.from({ length: raw.length / 2 }, (_, index) => raw.slice(2 * index));
    asked.push(pairs.map(([name = '', value = '']) => [name, value] as const));
    stream.respond({ ':status': 200, ...answers.shift() }, { endStream: true });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { asked, port, stop: () => server.close() };
}

/** Makes a call, and returns the headers of its answer but for those that every answer has. */
async function ask(session: Http2Session, fields: PlainFields): Promise<PlainFields> {
  const recorder = new Recorder();
  await new Promise<void>((resolve, reject) => {
    recorder.onEnd = resolve;
    const stream = session.request(fieldsOf([...requestHead, ...fields]), true, recorder);
    if (stream === undefined) reject(new Error('no stream can be opened'));
  });
  const [answer = []] = recorder.headers;
  return answer.filter(([name]) => name !== ':status' && name !== 'date');
}

describe('headers that node:http2 gets and gives', () => {
  test('are those that were meant, whatever the size of its table', async () => {
    const sizes = fc.constantFrom(0, 1, 100, 4096, 65_536);
    await fc.assert(
      fc.asyncProperty(exchanges, sizes, async (wanted, tableBytes) => {
        const answers = wanted.map(({ answered }) => byName(answered));
        const node = await startNode(tableBytes, [...answers]);
        const session = await connectedClient(node.port);
        for (const [index, { asked }] of wanted.entries()) {
          const got = await ask(session, asked);
          expect(byName(got)).toEqual(answers[index]);
          expect(node.asked[index]).toEqual([...requestHead, ...asked]);
        }
        session.destroy();
        node.stop();
      }),
      { numRuns: 60 },
    );
  });
});

/** The values of each name in order: node:http2 takes them so. */
function byName(fields: PlainFields): Record<string, string[]> {
  const grouped: Record<string, string[]> = {};
  for (const [name, value] of fields) (grouped[name] ??= []).push(value);
  return grouped;
}
