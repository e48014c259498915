import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { describeWithGo } from '../support/describe-with-go.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { InteropProxy, interopMethods, interopToken } from '../support/interop-proxy.ts';

const runLimitMs = 240_000;

/** Calls that the proxy takes on a connection. */
const maxCalls = 50;

/** The cases of the program, in test/go/interop/cases.go. */
const cases = [
  'one message each way',
  'many answers',
  'many requests',
  'messages that follow each other',
  'empty messages',
  'messages of nearly 4 MiB',
  'an end without an answer',
  'a status and nothing else',
  'a status after an answer',
  'metadata that is large',
  'metadata of many keys',
  'keys that repeat, and binary ones',
  'a client that cancels',
  'a deadline',
  'more calls at once than the proxy takes',
  'no message at all',
  'a first message that is too long',
  'a message that is too long for the storage',
  'an answer that is too long for the client',
  'a server that does not read everything',
  'a storage lost inside a message',
  'calls after that',
  'a storage lost between messages',
  'calls after that too',
] as const;

interface CaseResult {
  readonly case: string;
  /** Empty if all went well. */
  readonly problem: string;
}

describeWithGo('grpc-go on both sides of the proxy (skipped without Go)', () => {
  let program: string;
  let proxy: InteropProxy;

  beforeAll(async () => {
    program = await goProgram('interop');
    proxy = await InteropProxy.start(program, { maxCalls });
  }, goProgramLimitMs);

  afterAll(() => proxy.stop());

  async function runCases(method: string, isMultiplexed: boolean): Promise<readonly CaseResult[]> {
    const address = `127.0.0.1:${proxy.port}`;
    const args = ['client', '-address', address, '-method', method, '-served', String(maxCalls)];
    if (method === interopMethods.write) args.push('-write');
    if (isMultiplexed) args.push('-backchannel');
    const { stdout } = await promisify(execFile)(program, args, {
      env: { INTEROP_TOKEN: interopToken },
      timeout: runLimitMs,
    });
    const lines = stdout.trim().split('\n');
    return lines.map((line) => JSON.parse(line) as CaseResult);
  }

  describe.each([
    ['a read on a plain connection', interopMethods.read, false],
    ['a read on a connection with a backchannel', interopMethods.read, true],
    ['a write on a connection with a backchannel', interopMethods.write, true],
  ])('%s', (_, method, isMultiplexed) => {
    let results: readonly CaseResult[] = [];

    beforeAll(async () => {
      results = await runCases(method, isMultiplexed);
    }, runLimitMs);

    test.each(cases)('%s', (name) => {
      expect(results.find((result) => result.case === name)).toEqual({ case: name, problem: '' });
    });
  });
});
