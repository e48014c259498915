import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { ServerCall } from '../../src/proxy/relay/server-call.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/recording-logger.ts';
import { requestAbout } from '../support/requests.ts';
import { ScriptedCluster } from '../support/scripted-cluster.ts';
import { ignoreRequest } from '../support/scripted-storage.ts';

const path = '/gitaly.NewService/NewMethod';
const repository = 'group/project.git';

let log: RecordingLogger;
let cluster: ScriptedCluster;
beforeEach(async () => {
  log = new RecordingLogger();
  cluster = await ScriptedCluster.start({ logger: log });
  await cluster.addRepository(repository);
});
afterEach(() => cluster.stop());

/** How often each storage was called. */
function callCounts(): number[] {
  return cluster.storages.map(({ calls }) => calls.filter((call) => call.path === path).length);
}

/** Lines that say that a replica has fallen behind. */
function fallen(): unknown[] {
  const lines = log.entries.filter(({ message }) => message === 'replicas fell behind');
  return lines.map(({ fields }) => fields['dropped']);
}

describe('a method that only a newer Gitaly knows', () => {
  test('is carried out by all replicas, and leaves them in sync if their contents are equal', async () => {
    expect(await cluster.call(path, requestAbout(repository))).toMatchObject({
      code: statusCodes.OK,
      bytes: 5,
    });
    expect(callCounts()).toEqual([1, 1, 1]);
    expect(fallen()).toEqual([]);
  });

  test('leaves a replica behind whose contents differ afterwards', async () => {
    cluster.storage('gitaly-2').checksum = 'another';
    const { code } = await cluster.call(path, requestAbout(repository));
    expect(code).toBe(statusCodes.OK);
    await eventually('it is told', () => fallen().length > 0);
    expect(fallen()).toEqual([['gitaly-2']]);
  });

  test('may name its repository in a header', async () => {
    const inner = requestAbout(repository);
    const user = Buffer.from([0x12, 2, 0x0a, 0]);
    const header = Buffer.concat([inner, user]);
    const message = Buffer.concat([Buffer.from([0x0a, header.length]), header]);
    const { code } = await cluster.call(path, message);
    expect(code).toBe(statusCodes.OK);
    expect(callCounts()).toEqual([1, 1, 1]);
  });

  test('is refused as unknown if it names no repository', async () => {
    const { code, message } = await cluster.call(path, Buffer.from([0x0a, 2, 0x08, 1]));
    expect(code).toBe(statusCodes.UNIMPLEMENTED);
    expect(message).toContain(path);
    expect(callCounts()).toEqual([0, 0, 0]);
  });

  test('is logged once', async () => {
    for (let round = 0; round < 3; round++) await cluster.call(path, requestAbout(repository));
    const told = () => log.entries.filter(({ fields }) => fields['method'] === path);
    await eventually('it is logged', () => told().length > 0);
    expect(told().map(({ level }) => level)).toEqual(['warn']);
  });

  test('may answer with a stream, however long', async () => {
    const pieces = 256;
    const piece = encodeMessage(Buffer.alloc(64 * 1024 - 5));
    const answer = async (call: ServerCall) => {
      ignoreRequest(call);
      for (let index = 0; index < pieces; index++) await call.sendMessage(piece);
      call.succeed();
    };
    for (const storage of cluster.storages) storage.answer = (call) => void answer(call);
    const { code, bytes } = await cluster.call(path, requestAbout(repository));
    expect({ code, bytes }).toEqual({ code: statusCodes.OK, bytes: pieces * piece.length });
    expect(fallen()).toEqual([]);
  });

  test('may take a stream and answer with one at the same time, however long', async () => {
    const received = new Map<string, number>();
    for (const storage of cluster.storages) {
      storage.answer = (call) => {
        // Each byte goes back as it comes.
        call.sendHeaders([
          headerField(':status', '200'),
          headerField('content-type', 'application/grpc'),
        ]);
        call.attach({
          onData(bytes, start, end, endStream) {
            received.set(storage.name, (received.get(storage.name) ?? 0) + end - start);
            call.credit.consumed(end - start);
            call.sendData(Buffer.from(bytes), start, end, undefined);
            if (endStream) call.succeed();
          },
          onAbort() {},
          onCut() {},
        });
      };
    }
    // node's client takes at most 10 MB at once.
    const rest = encodeMessage(Buffer.alloc(1024 * 1024));
    const body = Buffer.concat([
      encodeMessage(requestAbout(repository)),
      ...Array.from({ length: 6 }, () => rest),
    ]);
    const { code, bytes } = await cluster.callWithBody(path, body);
    const total = 6 * rest.length;
    expect({ code, bytes }).toEqual({ code: statusCodes.OK, bytes: total });
    expect([...received.values()]).toEqual([total, total, total]);
  });
});
