import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';
import { connect, migrate } from '../../src/proxy/store/testing.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { commitFile } from '../support/commit-file.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyCluster, waitUntil, type ProxyClusterOptions } from '../support/proxy-cluster.ts';
import { RecordingLogger } from '../support/recording-logger.ts';
import { intentOf } from '../support/repository-records.ts';

const git = promisify(execFile);

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const name = { virtualStorage: 'default', relativePath: repository.relativePath };
/** All the time, as fast as it goes. */
const eager = { intervalMs: 100, callsPerSecond: 1000 };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

/** A database for one cluster: the storages of another one would have other volumes. */
function usePostgres(): () => Promise<ControlStore> {
  const database = useDatabase();
  beforeAll(() => migrate(database.coordinates));
  return () => connect(database.coordinates);
}

async function start(options: ProxyClusterOptions) {
  const logger = new RecordingLogger();
  cluster = await ProxyCluster.start({ config: { verification: eager }, logger, ...options });
  const client = cluster.client();
  await client.repository.createRepository({ repository });
  const first = await commitFile(client, { repository, branch: 'main', text: 'first' });
  const second = await commitFile(client, { repository, branch: 'main', text: 'second' });
  // A busy machine may have left a replica behind.
  await waitUntil('all are in sync', () => isInSync(client));
  const { primary, replicaPath } = await statusOf(client);
  const folderOn = (storage: string) => join(cluster?.node(storage).storagePath ?? '', replicaPath);
  const secondary = ['gitaly-0', 'gitaly-1'].find((name) => name !== primary) ?? '';
  return { running: cluster, client, first, second, logger, primary, secondary, folderOn };
}

async function statusOf(client: GitalyClient): Promise<RepositoryStatus> {
  for await (const status of client.admin.listRepositories(name)) return status;
  throw new Error('the repository is not listed');
}

async function isInSync(client: GitalyClient): Promise<boolean> {
  return (await statusOf(client)).replicas.every(({ inSync }) => inSync);
}

/** What fell behind since it was found to have a flaw. */
function dropped({ entries }: RecordingLogger): readonly unknown[] {
  return entries.flatMap(({ fields }) =>
    fields['dropped'] === undefined ? [] : [fields['dropped']],
  );
}

async function mainOf(folder: string): Promise<string> {
  const { stdout } = await git('git', ['-C', folder, 'rev-parse', 'refs/heads/main']);
  return stdout.trim();
}

const setMain = (folder: string, commit: string) =>
  git('git', ['-C', folder, 'update-ref', 'refs/heads/main', commit]);

/** At once: half a repository would be another flaw. */
const takeAway = (folder: string, storagePath: string) => rename(folder, `${storagePath}-gone`);

const succeeds = (call: Promise<unknown>) =>
  call.then(
    () => true,
    () => false,
  );

async function metricsOf(running: ProxyCluster, proxy = 0): Promise<string> {
  const port = running.proxies[proxy]?.httpPort;
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

describe('a repository that is gone from one storage', () => {
  const openStore = usePostgres();

  it('falls behind there, the primary moves, and it is copied anew', async () => {
    const { running, client, second, logger, primary, folderOn } = await start({
      openStore,
      proxies: 2,
    });
    await takeAway(folderOn(primary), running.node(primary).storagePath);
    await waitUntil('it was found', () => dropped(logger).length > 0);
    // Damaged, if it went away between two questions.
    const flaw = expect.stringMatching(/^(missing|damaged)$/);
    expect(dropped(logger)[0]).toEqual({ [primary]: flaw });
    await waitUntil('it is in sync again', () => isInSync(client));
    expect(await mainOf(folderOn(primary))).toBe(second);
    const { primary: successor } = await statusOf(client);
    expect(successor).not.toBe(primary);
    const labels = `{virtual_storage="default",storage="${primary}",flaw=`;
    const metrics = await Promise.all([0, 1].map((proxy) => metricsOf(running, proxy)));
    const isCounted = (text: string) =>
      text.includes(`gitaly_proxy_replicas_left_behind_total${labels}`);
    expect(metrics.some(isCounted)).toBe(true);
  });
});

describe('a reference that changed on one storage of three', () => {
  const openStore = usePostgres();

  it('is put right from the others, and nothing else falls behind', async () => {
    const { client, first, second, logger, secondary, folderOn } = await start({ openStore });
    await setMain(folderOn(secondary), first);
    await waitUntil('it was found', () => dropped(logger).length > 0);
    await waitUntil('it is in sync again', () => isInSync(client));
    expect(await mainOf(folderOn(secondary))).toBe(second);
    expect(dropped(logger)).toEqual([{ [secondary]: 'different' }]);
  });
});

describe('a reference that changed on one storage of two', () => {
  const openStore = usePostgres();

  it('is left as it is on both, and told, until a person says which is right', async () => {
    const { running, client, first, second, primary, secondary, folderOn, logger } = await start({
      openStore,
      storages: 2,
      minInSyncReplicas: 1,
    });
    await setMain(folderOn(secondary), first);
    const told = () => logger.entries.filter(({ level }) => level === 'error');
    await waitUntil('it was told', () => told().length > 0);
    expect(told()[0]?.fields).toMatchObject({
      relativePath: repository.relativePath,
      finding: expect.stringContaining('replicas that should be equal differ'),
    });
    expect(await isInSync(client)).toBe(true);
    expect(await mainOf(folderOn(secondary))).toBe(first);
    expect(await mainOf(folderOn(primary))).toBe(second);

    const undecided = async () =>
      (await client.admin.getStatus({})).virtualStorages.map((status) => Number(status.undecided));
    await waitUntil('the status has it', async () => (await undecided()).join() === '1');
    const listed = [];
    for await (const each of client.admin.listRepositories({ onlyUndecided: true })) {
      listed.push(each);
    }
    const finding = expect.stringContaining('no majority is');
    expect(listed).toMatchObject([{ relativePath: repository.relativePath, finding }]);
    expect(await statusOf(client)).toMatchObject({ finding });

    const choice = { ...name, authoritativeStorage: primary };
    // Not while it is being looked at again, which it is all the time here.
    await waitUntil('the choice was taken', () =>
      succeeds(client.praefectInfo.setAuthoritativeStorage(choice)),
    );
    await waitUntil('it is in sync again', () => isInSync(client));
    expect(await mainOf(folderOn(secondary))).toBe(second);
    expect(dropped(logger)).toEqual([]);
    await waitUntil('the status is clear', async () => (await undecided()).join() === '0');
    expect(await metricsOf(running)).not.toContain('gitaly_proxy_replicas_left_behind_total{');
  });
});

describe('a replica that changed right after a settlement had found it equal', () => {
  const openStore = usePostgres();

  it('is found and put right, though nobody asks and it is nobody’s turn', async () => {
    let mayVerify = false;
    const { client, first, second, logger, secondary, folderOn } = await start({
      openStore: async () => givesTurnsOnce(() => mayVerify, await openStore()),
      config: {},
      proxy: { recheckAfterMs: 1 },
    });
    const store = await openStore();
    await leaveUnsettled(store);
    await store.stop();
    await waitUntil('it is settled', () => logger.lines.join().includes('is gone were settled'));
    expect(await isInSync(client)).toBe(true);

    await setMain(folderOn(secondary), first);
    mayVerify = true;
    await waitUntil('it was found', () => dropped(logger).length > 0);
    await waitUntil('it is in sync again', () => isInSync(client));
    expect(await mainOf(folderOn(secondary))).toBe(second);
    expect(dropped(logger)).toEqual([{ [secondary]: 'different' }]);
  });

  /** A store that gives nobody a turn before a condition holds. */
  function givesTurnsOnce(condition: () => boolean, store: ControlStore): ControlStore {
    const { verifications } = store;
    const take = verifications.take.bind(verifications);
    jest
      .spyOn(verifications, 'take')
      .mockImplementation(async (query) => (condition() ? take(query) : []));
    return store;
  }

  /** As if a proxy had died in the middle of a write that has changed nothing yet. */
  async function leaveUnsettled(store: ControlStore): Promise<void> {
    await waitUntil('there is an intent', async () => {
      const record = await store.get(name);
      if (record === undefined) throw new Error('there is no repository');
      const { epoch } = record;
      const voters = record.replicas.map(({ storage }) => storage);
      const intents = [intentOf('of the dead', { owner: 'gone', epoch, voters })];
      return (await store.compareAndSwap({ ...record, intents })).kind === 'swapped';
    });
  }
});

describe('a repository whose turn it is not', () => {
  const openStore = usePostgres();

  it('is looked at when somebody asks for it', async () => {
    const { client, second, secondary, folderOn, running } = await start({
      openStore,
      config: {},
    });
    const verify = () => client.admin.verifyRepository(name);
    await waitUntil('it is verified', async () => (await verify()).outcome === 'verified');
    const { replicas, repositoryId } = await client.praefectInfo.getRepositoryMetadata({
      query: { case: 'path', value: name },
    });
    expect(replicas.map(({ verifiedAt }) => verifiedAt === undefined)).toEqual([
      false,
      false,
      false,
    ]);

    await takeAway(folderOn(secondary), running.node(secondary).storagePath);
    let found = await verify();
    await waitUntil('it was not postponed', async () => {
      if (found.outcome === 'postponed') found = await verify();
      return found.outcome !== 'postponed';
    });
    expect(found).toMatchObject({
      outcome: 'leftBehind',
      flaws: [{ storage: secondary, flaw: 'missing' }],
    });
    await waitUntil('it is in sync again', () => isInSync(client));
    expect(await mainOf(folderOn(secondary))).toBe(second);

    const nothing = client.admin.verifyRepository({ ...name, relativePath: 'none.git' });
    await expect(nothing).rejects.toMatchObject({ code: statusCodes.NOT_FOUND });
    const { markUnverified } = client.praefectInfo;
    const marked = async (selector: Parameters<typeof markUnverified>[0]['selector']) =>
      Number((await markUnverified({ ...(selector && { selector }) })).replicasMarked);
    expect(await marked({ case: 'repositoryId', value: repositoryId })).toBe(3);
    expect(await marked({ case: 'virtualStorage', value: 'default' })).toBe(3);
    const storage = { virtualStorage: 'default', storage: secondary };
    expect(await marked({ case: 'storage', value: storage })).toBe(1);
    await expect(marked({ case: 'virtualStorage', value: 'none' })).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
    });
    await expect(marked(undefined)).rejects.toMatchObject({ code: statusCodes.INVALID_ARGUMENT });
    await waitUntil('its turn came', async () => (await statusOf(client)).verifiedAtMs > 0n);
  });
});
