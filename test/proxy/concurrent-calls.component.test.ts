import { credentials, Client, Metadata, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import { Scope } from '../../src/base/scope.ts';
import { inSyncVoters } from '../../src/proxy/routing/repository-record.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { eventually } from '../support/eventually.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { startInProcessProxy } from '../support/in-process-proxy.ts';
import { InteropProxy, interopMethods, interopToken } from '../support/interop-proxy.ts';
import { LineProcess } from '../support/line-process.ts';
import { requestAbout } from '../support/requests.ts';
import { singleCall } from '../support/single-call.ts';

/** Calls that a storage takes on a connection; the proxy makes up to eight of them. */
const maxStreams = 5;
/** One place is kept for health checks. */
const places = 8 * maxStreams - 1;

describeWithGo('storages in Go, and a limit of calls on a connection (skipped without Go)', () => {
  const scopes: Scope[] = [];
  afterEach(async () => {
    for (const scope of scopes.splice(0)) await scope.stop();
  });

  function newScope(): Scope {
    const scope = new Scope();
    scopes.push(scope);
    return scope;
  }

  test(
    'of five: they serve fifty reads at once, the last ones when others have ended',
    async () => {
      const scope = newScope();
      const proxy = scope.own(await InteropProxy.start(await goProgram('interop'), { maxStreams }));
      const client = new EchoClient(proxy.port);
      scope.own(client);
      const calls = Array.from({ length: 50 }, () => client.open('interop.git'));
      const answered = () => calls.filter((call) => call.answers > 0);
      await eventually('all places are taken', () => answered().length === places, 60_000);
      for (const call of answered()) call.end();
      await eventually('the others are served', () => answered().length === 50, 60_000);
      for (const call of calls) call.end();
      const codes = await Promise.all(calls.map(({ code }) => code));
      expect(codes).toEqual(calls.map(() => status.OK));
    },
    goProgramLimitMs,
  );

  test(
    'of five: they serve fifty writes at once, vote on every connection, and all stay in sync',
    async () => {
      const scope = newScope();
      const { port, inSync } = await startWriteProxy(scope);
      const write = () =>
        singleCall(port, {
          path: interopMethods.write,
          headers: { authorization: authorizationHeader(interopToken, Date.now()) },
          body: encodeMessage(requestAbout('written.git')),
        });
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(Array.from({ length: 50 }, write));
        expect(answers.map(({ code, message }) => [code, message])).toEqual(
          answers.map(() => [status.OK, '']),
        );
      }
      expect(await inSync()).toEqual(['gitaly-0', 'gitaly-1', 'gitaly-2']);
    },
    goProgramLimitMs,
  );

  test(
    'of fifty at the proxy itself: a client in JavaScript waits for its turn',
    async () => {
      const scope = newScope();
      const program = await goProgram('interop');
      const proxy = scope.own(await InteropProxy.start(program, { maxCalls: 50 }));
      const client = new EchoClient(proxy.port);
      scope.own(client);
      const calls = Array.from({ length: 60 }, () => client.open('interop.git'));
      const answered = () => calls.filter((call) => call.answers > 0);
      await eventually('as many run as may', () => answered().length === 50, 60_000);
      for (const call of calls) call.end();
      const codes = await Promise.all(calls.map(({ code }) => code));
      expect(codes).toEqual(calls.map(() => status.OK));
    },
    goProgramLimitMs,
  );
});

/** Calls with grpc-js, on one connection, that are answered and go on until they are ended. */
class EchoClient {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  open(relativePath: string) {
    const metadata = new Metadata();
    metadata.set('authorization', authorizationHeader(interopToken, Date.now()));
    metadata.set('interop-behaviour', 'echo');
    const call = this.#client.makeBidiStreamRequest<Buffer, Buffer>(
      interopMethods.read,
      (message) => message,
      (bytes) => bytes,
      metadata,
    );
    call.on('error', () => {});
    const code = new Promise<number>((resolve) => {
      call.on('status', (end) => resolve(end.code));
    });
    const opened = { answers: 0, code, end: () => call.end() };
    call.on('data', () => {
      opened.answers += 1;
    });
    call.write(Buffer.from(requestAbout(relativePath)));
    return opened;
  }

  async stop(): Promise<void> {
    this.#client.close();
  }
}

/** A proxy before three storages that vote, and a repository on all of them. */
async function startWriteProxy(scope: Scope) {
  const args = ['-storages', '3', '-max-streams', String(maxStreams)];
  const backend = scope.own(await LineProcess.start(await goProgram('backend'), args));
  const storages = (JSON.parse(backend.firstLine) as string[]).map((address, index) => ({
    name: `gitaly-${index}`,
    address: `tcp://${address}`,
  }));
  const store = createMemoryStore({ clock: systemClock });
  const key = { virtualStorage: 'default', relativePath: 'written.git' };
  await store.create({
    ...key,
    id: await store.nextRepositoryId(),
    replicaPath: '@cluster/repositories/6b/86/1',
    epoch: 1n,
    lsn: 0n,
    primary: 'gitaly-0',
    replicas: storages.map(({ name: storage }) => ({ storage, lsn: 0n, role: 'voter' })),
    intents: [],
  });
  const proxy = scope.own(
    await startInProcessProxy({
      storages,
      minInSyncReplicas: 2,
      store,
      clientToken: interopToken,
      gitalyToken: 'token of the storages',
      // A slow machine is not what is tested here.
      lateLimitMs: 60_000,
    }),
  );
  const pattern = /gitaly_proxy_storage_healthy\{[^}]*\} 1/g;
  await eventually('all storages are healthy', async () => {
    const metrics = await fetch(`http://127.0.0.1:${proxy.httpPort}/metrics`);
    return (await metrics.text()).match(pattern)?.length === 3;
  });
  return {
    port: proxy.grpcPort,
    inSync: async () => {
      const record = await store.get(key);
      return record === undefined ? [] : inSyncVoters(record);
    },
  };
}
