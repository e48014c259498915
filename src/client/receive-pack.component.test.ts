import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { implement, startRpcServer, type Handlers } from '../../test/support/rpc-server.ts';
import { patience } from '../../test/support/steady-load.ts';
import { Scope } from '../base/scope.ts';
import { SSHService, type SSHReceivePackRequest } from '../gen/gitaly/ssh_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { createGitalyClient } from './gitaly-client.ts';
import { receivePack } from './receive-pack.ts';

let scope = new Scope();

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

const request = {
  virtualStorage: 'default',
  relativePath: 'group/project.git',
  glRepository: 'project-1',
  glId: 'user-1',
  glUsername: 'jane',
  gitProtocol: 'version=2',
};

/** Pushes to a server that answers as told. `input` without an end is a git that still has more. */
async function push(
  answer: NonNullable<Handlers<typeof SSHService>['sSHReceivePack']>,
  input: Readable,
  signal?: AbortSignal,
) {
  const server = scope.own(
    await startRpcServer([implement(SSHService, { sSHReceivePack: answer })]),
  );
  const client = scope.own(
    createGitalyClient({ address: server.address, token: 't', ...patience }),
  );
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const outputs = Promise.all([text(stdout), text(stderr)]);
  const streams = { stdin: input, stdout, stderr };
  const result = await receivePack(client.ssh, request, streams, signal).then(
    (exitCode) => ({ exitCode }),
    (error: unknown) => ({ error: String(RpcError.from(error)) }),
  );
  stdout.end();
  stderr.end();
  const [out, err] = await outputs;
  return { ...result, out, err };
}

const bytes = (content: string) => Buffer.from(content);

/** Input that never ends by itself. */
function openInput(): Readable {
  const input = new PassThrough();
  input.write('0000');
  return input;
}

describe('a push', () => {
  test('sends what is pushed to first, without data, then the input in pieces', async () => {
    const messages: SSHReceivePackRequest[] = [];
    const input = Buffer.alloc(300_000, 'x');
    const result = await push(
      async function* (requests) {
        for await (const message of requests) messages.push(message);
        yield { stdout: bytes('unpack ok') };
      },
      Readable.from([input]),
    );
    expect(result).toEqual({ exitCode: 0, out: 'unpack ok', err: '' });
    expect(messages[0]).toMatchObject({
      repository: { storageName: 'default', relativePath: 'group/project.git' },
      glId: 'user-1',
      glRepository: 'project-1',
      glUsername: 'jane',
      gitProtocol: 'version=2',
    });
    expect(messages.map(({ stdin }) => stdin.length)).toEqual([0, 131_072, 131_072, 37_856]);
    expect(Buffer.concat(messages.map(({ stdin }) => stdin)).equals(input)).toBe(true);
    expect(messages.slice(1).every(({ repository }) => repository === undefined)).toBe(true);
  });

  test("that git refuses ends with git's exit code and git's own words", async () => {
    const result = await push(async function* () {
      yield { stderr: bytes('fatal: update aborted\n') };
      yield { exitStatus: { value: 128 } };
      throw new RpcError(statusCodes.INTERNAL, 'cmd wait: exit status 128');
    }, openInput());
    expect(result).toEqual({ exitCode: 128, out: '', err: 'fatal: update aborted\n' });
  });

  test('that may succeed when it is made again tells why it was refused', async () => {
    const result = await push(async function* () {
      yield { stderr: bytes('fatal: ref updates aborted by hook\n') };
      yield { exitStatus: { value: 128 } };
      throw new RpcError(statusCodes.UNAVAILABLE, 'not written: too few replicas');
    }, openInput());
    const err = 'fatal: ref updates aborted by hook\nnot written: too few replicas\n';
    expect(result).toEqual({ exitCode: 128, out: '', err });
  });

  test('whose outcome is unknown fails, also after git reported success', async () => {
    const result = await push(async function* () {
      yield { stdout: bytes('unpack ok') };
      throw new RpcError(statusCodes.ABORTED, 'try again');
    }, openInput());
    expect(result).toEqual({ error: 'ABORTED: try again', out: 'unpack ok', err: '' });
  });

  test('to a repository that does not exist fails although git has more to send', async () => {
    const result = await push(() => {
      throw new RpcError(statusCodes.NOT_FOUND, 'repository not found');
    }, openInput());
    expect(result).toMatchObject({ error: 'NOT_FOUND: repository not found' });
  });

  test('is cancelled, not ended, when the input breaks: half a push must not look whole', async () => {
    const input = openInput();
    let sawEnd = false;
    const result = await push(async function* (requests) {
      yield { stdout: bytes('refs') };
      input.destroy();
      for await (const _message of requests);
      sawEnd = true;
    }, input);
    expect(result).toMatchObject({ error: expect.stringMatching(/^CANCELLED/) });
    expect(sawEnd).toBe(false);
  });

  test('is cancelled by its signal', async () => {
    const aborter = new AbortController();
    const result = await push(
      async function* (_requests, call) {
        aborter.abort();
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
        yield {};
      },
      openInput(),
      aborter.signal,
    );
    expect(result).toMatchObject({ error: expect.stringMatching(/^CANCELLED/) });
  });

  test('holds the server back while git reads nothing', async () => {
    const sent: number[] = [];
    const server = scope.own(
      await startRpcServer([
        implement(SSHService, {
          async *sSHReceivePack() {
            for (let count = 0; count < 100; count++) {
              sent.push(count);
              yield { stdout: Buffer.alloc(1_000_000, 'y') };
            }
          },
        }),
      ]),
    );
    const client = scope.own(
      createGitalyClient({ address: server.address, token: 't', ...patience }),
    );
    const stdout = new PassThrough();
    const streams = { stdin: openInput(), stdout, stderr: new PassThrough() };
    const pushing = receivePack(client.ssh, request, streams);
    await new Promise((resolve) => stdout.once('readable', resolve));
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent.length).toBeLessThan(50);
    const reading = buffer(stdout);
    expect(await pushing).toBe(0);
    stdout.end();
    expect(await reading).toHaveLength(100_000_000);
  });
});
