import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { Scope } from '../../src/base/scope.ts';
import { startGrpcListener } from '../../src/proxy/relay/grpc-listener.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { Http2Stream, StreamEvents } from '../../src/proxy/wire/http2/stream.ts';
import { createReadBuffer } from '../../src/proxy/wire/socket-transport.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';

/** What the program `h2spec` in test/go says of one case. */
interface CaseOutcome {
  /** The section that the case is about, like `http2/5.1`. */
  readonly case: string;
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly expected?: readonly string[];
  readonly actual?: string;
}

/** The cases of h2spec 2.2.1, strict ones included. */
const caseCount = 146;
const runLimitMs = 120_000;

const scope = new Scope();
let outcomes: readonly CaseOutcome[];

/** Answers a request with some data when it has ended. */
function answerAtTheEnd(stream: Http2Stream, _: unknown, endStream: boolean): StreamEvents {
  const text = Buffer.from('an answer');
  const answer = () => {
    stream.sendHeaders([headerField(':status', '200')], false);
    stream.sendData(text, 0, text.length, true, undefined);
  };
  if (endStream) setImmediate(answer);
  return {
    onHeaders: answer,
    onData(_bytes, start, end, isLast) {
      stream.consumed(end - start);
      if (isLast) answer();
    },
    onAbort() {},
  };
}

describeWithGo('h2spec against the listener of the proxy (skipped without Go)', () => {
  beforeAll(async () => {
    const program = await goProgram('h2spec');
    const listener = scope.own(
      await startGrpcListener({
        addresses: [{ kind: 'tcp', endpoint: { host: '127.0.0.1', port: 0 } }],
        // The proxy's own would refuse every request of these cases at once, since none is of gRPC,
        // before what is wrong with it has been sent.
        dispatcher: { onRequest: answerAtTheEnd },
        clock: systemClock,
        logger: silentLogger,
        readBuffer: createReadBuffer(),
      }),
    );
    const args = ['-port', String(listener.ports[0])];
    const { stdout } = await promisify(execFile)(program, args, { timeout: runLimitMs });
    outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CaseOutcome);
  }, goProgramLimitMs + runLimitMs);

  afterAll(() => scope.stop());

  test('finds that every case of RFC 9113 and RFC 7541 passes', () => {
    expect(outcomes.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(outcomes).toHaveLength(caseCount);
  });
});
