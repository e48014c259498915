import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deferred } from '../../src/base/deferred.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { ServerCall } from '../../src/proxy/relay/server-call.ts';
import { repositoryIn, requestAbout } from '../support/requests.ts';
import { ScriptedCluster } from '../support/scripted-cluster.ts';
import { ignoreRequest, type ReceivedCall } from '../support/scripted-storage.ts';

const read = '/gitaly.RefService/FindDefaultBranchName';
const streamingRead = '/gitaly.RefService/FindLocalBranches';
const write = '/gitaly.RefService/DeleteRefs';
const size = '/gitaly.RepositoryService/RepositorySize';
const folderSize = '/gitaly.RepositoryService/GetObjectDirectorySize';
const repository = 'group/project.git';
const forPrimary = { 'gitaly-route-repository-accessor-policy': 'primary-only' };
/** RFC 9113, section 7. */
const refusedStreamCode = 0x7;

let cluster: ScriptedCluster;
beforeAll(async () => {
  cluster = await ScriptedCluster.start();
  await cluster.addRepository(repository);
});
afterAll(() => cluster.stop());

/** Makes a call, and tells what each storage got of it, by name. */
async function ask(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  message = requestAbout(repository),
): Promise<ReadonlyMap<string, ReceivedCall>> {
  for (const { calls } of cluster.storages) calls.length = 0;
  const { code } = await cluster.call(path, message, { headers });
  expect(code).toBe(statusCodes.OK);
  return new Map(
    cluster.storages.flatMap(({ name, calls }) =>
      // Repairs go on beside it.
      calls.filter((call) => call.path === path).map((call) => [name, call] as const),
    ),
  );
}

/** Lets these storages alone have every quarantine folder, until the function that comes back is called. */
function answerFolders(holders: readonly string[]): () => void {
  const byDefault = cluster.storages.map((storage) => storage.answer);
  for (const storage of cluster.storages) {
    const { answer, name } = storage;
    storage.answer = (call, received) => {
      if (received.path !== folderSize || holders.includes(name)) answer(call, received);
      else call.fail({ code: statusCodes.NOT_FOUND, message: 'object directory does not exist' });
    };
  }
  return () => {
    for (const [index, storage] of cluster.storages.entries()) {
      storage.answer = byDefault[index] ?? storage.answer;
    }
  };
}

function valuesOf(received: ReceivedCall | undefined, name: string): string[] {
  return (received?.fields ?? []).filter((field) => field.name === name).map(({ value }) => value);
}

describe('a read', () => {
  test('for the primary goes there, with the quarantine folders that it names', async () => {
    const quarantine = {
      gitObjectDirectory: 'objects/tmp_objdir-incoming-x',
      gitAlternateObjectDirectories: ['objects', 'objects/info'],
    };
    for (let round = 0; round < 10; round++) {
      const message = requestAbout(repository, 'default', quarantine);
      const asked = await ask(read, forPrimary, message);
      expect([...asked.keys()]).toEqual(['gitaly-0']);
      expect(repositoryIn(asked.get('gitaly-0')?.message ?? Buffer.alloc(0))).toMatchObject({
        storageName: 'gitaly-0',
        relativePath: '@cluster/repositories/1',
        ...quarantine,
      });
    }
  });

  test('of a size goes to the primary too', async () => {
    for (let round = 0; round < 10; round++) {
      expect([...(await ask(size)).keys()]).toEqual(['gitaly-0']);
    }
  });

  test.each([
    ['for the primary', forPrimary],
    ['for anybody', {}],
  ])('%s goes to the storage that has the quarantine folder it names', async (whom, headers) => {
    const restore = answerFolders(['gitaly-2']);
    const gitObjectDirectory = `objects/of a read ${whom}`;
    const message = requestAbout(repository, 'default', { gitObjectDirectory });
    for (let round = 0; round < 10; round++) {
      expect([...(await ask(read, headers, message)).keys()]).toEqual(['gitaly-2']);
    }
    restore();
  });

  test('spreads over all replicas otherwise, also with a quarantine folder that nobody has', async () => {
    const restore = answerFolders([]);
    const seen = new Set<string>();
    const message = requestAbout(repository, 'default', { gitObjectDirectory: 'objects/x' });
    for (let round = 0; round < 60; round++) {
      for (const name of (await ask(read, {}, message)).keys()) seen.add(name);
    }
    expect(seen.size).toBe(3);
    restore();
  });
});

describe('a read whose storage is lost', () => {
  const head = [headerField(':status', '200'), headerField('content-type', 'application/grpc')];
  const whole = encodeMessage(Buffer.alloc(1000));
  const long = encodeMessage(Buffer.alloc(100_000));

  /** The first storage that is asked answers like this, and the others, by default, with one whole message. */
  async function askWhenFirst(
    answer: (call: ServerCall, received: ReceivedCall, storage: string) => void,
    options: {
      readonly method?: string;
      readonly path?: string;
      others?(call: ServerCall): void;
      onData?(): void;
    } = {},
  ) {
    const { method = read, path = repository, ...callOptions } = options;
    const { others = (call: ServerCall) => call.reply(whole) } = options;
    const asked: string[] = [];
    const byDefault = cluster.storages.map((storage) => storage.answer);
    for (const storage of cluster.storages) {
      storage.answer = (call, received) => {
        ignoreRequest(call);
        if (received.path === method) asked.push(storage.name);
        if (asked.length === 1) answer(call, received, storage.name);
        else others(call);
      };
    }
    const got = await cluster.call(method, requestAbout(path), callOptions);
    for (const [index, storage] of cluster.storages.entries()) {
      storage.answer = byDefault[index] ?? storage.answer;
    }
    return { got, asked: new Set(asked).size };
  }

  test.each<[string, (call: ServerCall, received: ReceivedCall) => void]>([
    [
      'after the head of its answer',
      (call, { reset }) => {
        call.sendHeaders(head);
        reset();
      },
    ],
    [
      'in the prefix of the first message',
      (call, { reset }) => {
        call.sendHeaders(head);
        call.sendData(whole, 0, 3, undefined);
        reset();
      },
    ],
    [
      'in the middle of the first message',
      (call, { reset }) => {
        call.sendHeaders(head);
        call.sendData(whole, 0, 3, undefined);
        call.sendData(whole, 3, 900, undefined);
        reset();
      },
    ],
    [
      'between the only message and its end',
      (call, { reset }) => {
        call.sendHeaders(head);
        call.sendData(whole, 0, whole.length, undefined);
        reset();
      },
    ],
    [
      'after its head, with UNAVAILABLE',
      (call) => {
        call.sendHeaders(head);
        call.fail({ code: statusCodes.UNAVAILABLE, message: 'stopping' });
      },
    ],
  ])('%s is answered by another one', async (_when, answer) => {
    const { got, asked } = await askWhenFirst(answer);
    expect(asked).toBe(2);
    expect(got).toMatchObject({ code: statusCodes.OK, bytes: whole.length, reset: 0 });
  });

  test('as its replica has left meanwhile is answered by another one', async () => {
    const path = 'group/fewer.git';
    await cluster.addRepository(path);
    const { got, asked } = await askWhenFirst(
      (call, _, storage) => {
        void cluster
          .letLeave(path, storage)
          .then(() => call.fail({ code: statusCodes.NOT_FOUND, message: 'it is gone' }));
      },
      { path },
    );
    expect(asked).toBe(2);
    expect(got).toMatchObject({ code: statusCodes.OK, bytes: whole.length });
  });

  test('of what its proxy has forgotten meanwhile is answered by another one', async () => {
    const { got, asked } = await askWhenFirst((call) => {
      void cluster
        .forgetRepositories()
        .then(() => call.fail({ code: statusCodes.NOT_FOUND, message: 'it is gone' }));
    });
    expect(asked).toBe(2);
    expect(got).toMatchObject({ code: statusCodes.OK, bytes: whole.length });
  });

  test('of what is gone everywhere ends as they all say', async () => {
    const isGone = (call: ServerCall) =>
      call.fail({ code: statusCodes.NOT_FOUND, message: 'it is gone' });
    const { got, asked } = await askWhenFirst(
      (call) => void cluster.forgetRepositories().then(() => isGone(call)),
      { others: isGone },
    );
    expect(asked).toBe(3);
    expect(got).toMatchObject({ code: statusCodes.NOT_FOUND });
  });

  test('a while after the first message, which the client has got by then, ends with UNAVAILABLE', async () => {
    const seen = deferred<void>();
    const { got, asked } = await askWhenFirst(
      (call, { reset }) => {
        call.sendHeaders(head);
        call.sendData(whole, 0, whole.length, undefined);
        void seen.promise.then(reset);
      },
      { method: streamingRead, onData: seen.resolve },
    );
    expect(asked).toBe(1);
    expect(got).toMatchObject({ code: statusCodes.UNAVAILABLE, bytes: whole.length });
  });

  test('in a message that is too long to be held back is reset as not processed', async () => {
    const { got, asked } = await askWhenFirst((call, { reset }) => {
      call.sendHeaders(head);
      call.sendData(long, 0, 10_000, undefined);
      reset();
    });
    expect(asked).toBe(1);
    expect(got).toMatchObject({ code: undefined, reset: refusedStreamCode });
  });
});

describe('what a storage gets of the metadata', () => {
  const flags = {
    'gitaly-feature-mailmap-options': 'false',
    'gitaly-feature-a-new-one': 'true',
  };

  test('are the feature flags of the client, the same for all storages of a write', async () => {
    const asked = await ask(write, flags);
    expect(asked.size).toBe(3);
    for (const received of asked.values()) {
      const names = received.fields.map(({ name }) => name);
      const sent = names.filter((name) => name.startsWith('gitaly-feature-'));
      expect(sent.toSorted((a, b) => a.localeCompare(b))).toEqual(
        Object.keys(flags).toSorted((a, b) => a.localeCompare(b)),
      );
      for (const [name, value] of Object.entries(flags)) {
        expect(valuesOf(received, name)).toEqual([value]);
      }
    }
  });

  test('is one correlation id for all, also if the client has none', async () => {
    const name = 'x-gitlab-correlation-id';
    for (const received of (await ask(write, { [name]: '01HX' })).values()) {
      expect(valuesOf(received, name)).toEqual(['01HX']);
    }
    const made = [...(await ask(write)).values()].map((received) => valuesOf(received, name));
    expect(new Set(made.flat()).size).toBe(1);
    expect(made).toHaveLength(3);
  });
});
