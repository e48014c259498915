import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { CertificateAuthority, type IssuedCertificate } from '../support/certificate-authority.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { GitUser } from '../support/git-user.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyFleet } from '../support/proxy-fleet.ts';
import { ProxyProcess } from '../support/proxy-process.ts';
import {
  callTasks,
  patience,
  patientMs,
  SteadyLoad,
  type LoadTarget,
  type LoadTask,
} from '../support/steady-load.ts';

const limitMs = 240_000;
jest.setTimeout(limitMs);

const database = useDatabase();
const authority = new CertificateAuthority();
const scope = new Scope();
const token = ProxyFleet.clientToken;
let fleet: ProxyFleet;
let files: IssuedCertificate;
let user: GitUser;

beforeAll(async () => {
  files = authority.issue();
  const { certificateFile, keyFile } = files;
  fleet = scope.own(
    await ProxyFleet.start(database.coordinates, 1, {
      workers: 2,
      grpcTlsListen: '127.0.0.1:0',
      tls: { certificateFile, keyFile },
    }),
  );
  user = scope.own(await GitUser.create({ address: `${fleet.hosts[0]}:${fleet.port}`, token }));
  // The proxy is ready with the first of them, which would get the connections of the other too.
  await soon('both work', async () => (await metric('gitaly_proxy_workers')) === 2);
}, limitMs);

afterAll(async () => {
  await scope.stop();
  authority.remove();
}, limitMs);

function proxyOf({ proxies: [proxy] }: ProxyFleet): ProxyProcess {
  if (proxy === undefined) throw new Error('there is no proxy');
  return proxy;
}

/** What happens soon if nothing else is to be done; a busy machine may take its time. */
const soon: typeof eventually = (what, probe) => eventually(what, probe, patientMs);

/** A client with a connection of its own. */
function newClient(): GitalyClient {
  const address = `tcp://${fleet.hosts[0]}:${fleet.port}`;
  return scope.own(createGitalyClient({ address, token, ...patience }));
}

/** Makes a repository with one commit. */
async function target(client: GitalyClient, relativePath: string): Promise<LoadTarget> {
  const repository = { storageName: 'default', relativePath };
  await client.repository.createRepository({ repository });
  return {
    repository,
    commit: await commitFile(client, { repository, branch: 'main', text: '1' }),
  };
}

/** A number from the metrics, whose name and labels are as `series` says. */
async function metric(series: string): Promise<number> {
  const text = await (await proxyOf(fleet).get('/metrics')).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

interface LoggedCall {
  readonly worker?: number;
  readonly relative_path?: string;
  readonly 'grpc.method'?: string;
}

async function loggedCalls(): Promise<readonly LoggedCall[]> {
  const lines = await proxyOf(fleet).logLines();
  return lines.map((line) => JSON.parse(line) as LoggedCall);
}

/** The workers that have served calls for any of these repositories, as the log says. */
async function workersFor(...relativePaths: readonly string[]): Promise<ReadonlySet<number>> {
  const own = (await loggedCalls()).filter((call) =>
    relativePaths.includes(call.relative_path ?? ''),
  );
  return new Set(own.map(({ worker = 0 }) => worker));
}

const connectionsOf = (worker: number) =>
  metric(`gitaly_proxy_worker_connections{worker="${worker}"}`);

/** Resolves when each worker has so many connections more than `before`. */
function untilEachHas(more: number, before: readonly [one: number, two: number]): Promise<boolean> {
  return soon(`each has ${more} more connections`, async () => {
    const now = [await connectionsOf(1), await connectionsOf(2)] as const;
    return now[0] === before[0] + more && now[1] === before[1] + more;
  });
}

const firstStorage = 'virtual_storage="default",storage="gitaly-0"';
const writeRef = 'grpc_service="gitaly.RepositoryService",grpc_method="WriteRef"';
const writesHandled = `grpc_server_handled_total{${writeRef},grpc_code="OK"}`;

describe('a proxy with two workers', () => {
  test('gives each its half of the connections', async () => {
    const before = [await connectionsOf(1), await connectionsOf(2)] as const;
    // A client of ours would connect once more if it takes long.
    const sockets = Array.from({ length: 6 }, () => connect(fleet.port, fleet.hosts[0]));
    await untilEachHas(3, before);
    for (const socket of sockets) socket.destroy();
    await untilEachHas(0, before);
  });

  test('has all work, and tells of all as one', async () => {
    const clients = Array.from({ length: 6 }, newClient);
    const writesBefore = await metric(writesHandled);
    await Promise.all(
      clients.map(async (client, index) => {
        const { repository, commit } = await target(client, `half-${index}.git`);
        const revision = Buffer.from(commit);
        for (const name of ['one', 'two', 'three']) {
          const ref = Buffer.from(`refs/heads/${name}`);
          await client.repository.writeRef({ repository, ref, revision });
          const found = await client.commit.findCommit({ repository, revision: ref });
          expect(found.commit?.id).toBe(commit);
        }
      }),
    );
    // A worker that takes long to answer counts with what it said before.
    const writes = async () => (await metric(writesHandled)) - writesBefore;
    await soon('all writes are counted', async () => (await writes()) >= 18);
    expect(await writes()).toBe(18);
    expect(await metric(`gitaly_proxy_storage_healthy{${firstStorage}}`)).toBe(1);
    const proxy = proxyOf(fleet);
    expect(await (await proxy.get('/db_metrics')).text()).toContain('gitaly_proxy_repositories{');
    const repositories = clients.map((_, index) => `half-${index}.git`);
    await soon('every call is logged, in a whole line', async () => {
      const served = await Promise.all(repositories.map((one) => workersFor(one)));
      return served.every(({ size }) => size === 1);
    });
    const workers = await workersFor(...repositories);
    expect(workers).toEqual(new Set([1, 2]));
  });

  test('serves pushes and clones of git', async () => {
    const client = newClient();
    const repository = { storageName: 'default', relativePath: 'git.git' };
    await client.repository.createRepository({ repository, defaultBranch: Buffer.from('main') });
    const url = user.url(repository.relativePath);
    const tree = await user.workTree('tree');
    await user.git(['push', '-q', url, 'main'], { cwd: tree });
    const head = await user.git(['rev-parse', 'HEAD'], { cwd: tree });
    for (const name of ['first', 'second']) {
      await user.git(['clone', '-q', url, name]);
      const cwd = `${user.folder}/${name}`;
      expect(await user.git(['rev-parse', 'origin/main'], { cwd })).toBe(head);
    }
  });

  test('serves TLS with every worker', async () => {
    const address = `tls://localhost:${proxyOf(fleet).grpcTlsPort}`;
    const tls = { ca: authority.cert };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = scope.own(createGitalyClient({ address, token, tls, ...patience }));
        await client.server.serverInfo({});
      }),
    );
    await soon('the calls are logged', async () => {
      const calls = (await loggedCalls()).filter((call) => call['grpc.method'] === 'ServerInfo');
      return new Set(calls.map(({ worker }) => worker)).size === 2;
    });
  });
});

async function pidOf(worker: number): Promise<number> {
  const pid = (await proxyOf(fleet).workerPids()).get(worker);
  if (pid === undefined) throw new Error(`worker ${worker} has no process`);
  return pid;
}

describe('the certificate', () => {
  test('is renewed in every worker', async () => {
    const renewed = new CertificateAuthority();
    const issued = renewed.issue();
    await copyFile(issued.certificateFile, files.certificateFile);
    await copyFile(issued.keyFile, files.keyFile);
    const address = `tls://localhost:${proxyOf(fleet).grpcTlsPort}`;
    const connections = async () => (await connectionsOf(1)) + (await connectionsOf(2));
    const before = await connections();
    const callOnce = async () => {
      const tls = { ca: renewed.cert };
      const client = createGitalyClient({ address, token, tls, ...patience });
      try {
        await client.server.serverInfo({});
      } finally {
        await client.stop();
      }
    };
    // Each call has a connection of its own, and those that are open are spread evenly.
    await soon('all workers show the new one', async () => {
      const calls = await Promise.allSettled([1, 2, 3, 4].map(callOnce));
      return calls.every(({ status }) => status === 'fulfilled');
    });
    renewed.remove();
    // Handshakes that came to nothing are given up after 10 s, and count for their workers until then.
    await soon('only those from before are left', async () => (await connections()) <= before);
  });
});

/** A client whose connection a certain worker has, and a repository. */
async function clientOf(worker: number): Promise<{ client: GitalyClient; target: LoadTarget }> {
  for (let attempt = 1; attempt <= 10; attempt++) {
    const client = newClient();
    const relativePath = `of-${worker}-${attempt}.git`;
    const made = await target(client, relativePath);
    const [served] = await soon('its calls are logged', async () => {
      const workers = await workersFor(relativePath);
      return workers.size > 0 && [...workers];
    });
    if (served === worker) return { client, target: made };
  }
  throw new Error(`no client comes to worker ${worker}`);
}

/** Writes again and again, and keeps what was acknowledged. */
function writing(client: GitalyClient, { repository, commit }: LoadTarget, name: string) {
  const acknowledged: string[] = [];
  const task: LoadTask = {
    name,
    async once(round) {
      const ref = `refs/heads/${name}-${round}`;
      const revision = Buffer.from(commit);
      await client.repository.writeRef({ repository, ref: Buffer.from(ref), revision });
      acknowledged.push(ref);
    },
  };
  return { acknowledged, task };
}

describe('a worker that stands still', () => {
  test('gets no new connections, until it goes on', async () => {
    const pid = await pidOf(2);
    const working = (workers: number) => async () =>
      (await metric('gitaly_proxy_workers')) === workers;
    process.kill(pid, 'SIGSTOP');
    try {
      await soon('it is noticed', working(1));
      expect((await proxyOf(fleet).get('/readyz')).status).toBe(200);
      // Of four connections that are spread evenly it would get some.
      await soon('all new clients are served', async () => {
        const calls = [1, 2, 3, 4].map(() =>
          newClient().server.serverInfo({}, { deadlineMs: 10_000 }),
        );
        const results = await Promise.allSettled(calls);
        return results.every(({ status }) => status === 'fulfilled');
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await soon('it goes on', working(2));
  });
});

describe('a worker that dies', () => {
  test('takes only its own calls along, loses no acknowledged write, and is started again', async () => {
    const proxy = proxyOf(fleet);
    const [dying, living] = [await clientOf(1), await clientOf(2)];
    const works = [
      writing(dying.client, dying.target, 'dying'),
      writing(living.client, living.target, 'living'),
      // The same repository by way of the other worker: what was in doubt is settled.
      writing(living.client, dying.target, 'neighbour'),
    ];
    const load = scope.own(new SteadyLoad(works.map(({ task }) => task)));
    await soon('every kind of work is under way', () => load.fewest >= 5);
    const handledBefore = await metric(writesHandled);
    const restarts = () => metric('gitaly_proxy_worker_restarts_total');
    const restartsBefore = await restarts();

    process.kill(await pidOf(1), 'SIGKILL');
    await soon('it is started again', async () => (await restarts()) === restartsBefore + 1);
    expect((await proxy.get('/readyz')).status).toBe(200);
    await soon('both serve', async () => (await metric('gitaly_proxy_workers')) === 2);
    const before = new Map(load.done);
    await soon('every kind of work goes on', () =>
      [...load.done].every(([name, round]) => round > (before.get(name) ?? 0) + 2),
    );
    await load.stop();

    // The writes of the others may have to wait until those of the dead are settled.
    expect(load.failures.filter((failure) => failure.startsWith('living'))).toEqual([]);
    const refsOf = async ({ repository }: LoadTarget) =>
      (await user.git(['ls-remote', user.url(repository.relativePath)])).split(/\s/);
    const [ofDying, ofLiving] = [await refsOf(dying.target), await refsOf(living.target)];
    const [first, second, third] = works.map(({ acknowledged }) => acknowledged);
    expect(ofDying).toEqual(expect.arrayContaining([...(first ?? []), ...(third ?? [])]));
    expect(ofLiving).toEqual(expect.arrayContaining(second ?? []));
    await soon('writes are counted', async () => (await metric(writesHandled)) > handledBefore);
    expect((await proxy.workerPids()).size).toBe(2);
  });
});

describe('a proxy with two workers that is replaced under load', () => {
  test('fails no call, and ends in order', async () => {
    const byName = scope.own(
      createGitalyClient({
        address: `dns:///proxies:${fleet.port}`,
        token,
        ...patience,
        lookup: async () => fleet.hosts,
        lookupIntervalMs: 1000,
      }),
    );
    const { address } = fleet.service;
    const byService = [1, 2].map(() =>
      scope.own(createGitalyClient({ address: `tcp://${address}`, token, ...patience })),
    );
    const clients = [byName, ...byService];
    const tasks = await Promise.all(
      clients.map(async (client, index) =>
        callTasks(`of-${index}`, client, await target(client, `load-${index}.git`)),
      ),
    );
    const load = scope.own(new SteadyLoad(tasks.flat()));
    await soon('every kind of work is under way', () => load.fewest >= 2);
    const exitCodes = await fleet.rollOut();
    const before = new Map(load.done);
    await soon('every kind of work goes on', () =>
      [...load.done].every(([name, rounds]) => rounds > (before.get(name) ?? 0) + 1),
    );
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(exitCodes).toEqual([0]);
  });
});

describe('a supervisor that is killed', () => {
  test('leaves no worker behind, which had served a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'workers-'));
    scope.onStop(() => rm(folder, { recursive: true }));
    const address = `unix:${join(folder, 'proxy.socket')}`;
    const proxy = scope.own(
      await ProxyProcess.start({
        virtualStorages: [fleet.storages],
        store: database.coordinates,
        clientToken: token,
        gitalyToken: ProxyFleet.gitalyToken,
        config: { workers: 2, grpcSocket: address },
      }),
    );
    for (const _ of [1, 2]) {
      const client = scope.own(createGitalyClient({ address, token, ...patience }));
      await client.server.serverInfo({});
    }
    const pids = [...(await proxy.workerPids()).values()];
    expect(pids).toHaveLength(2);
    process.kill(proxy.pid, 'SIGKILL');
    await soon('its workers have ended', () => !pids.some(isRunning));
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('workers that cannot start', () => {
  test('end the proxy, which says why', async () => {
    const clientTokenDir = '/nothing/is/here';
    const started = ProxyProcess.start({
      virtualStorages: [],
      store: database.coordinates,
      clientToken: token,
      gitalyToken: token,
      config: { workers: 2, clientTokenDir },
    });
    await expect(started).rejects.toThrow(/last words: .*the proxy cannot start: worker [12]/);
  });
});
