import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { commitFile } from '../support/commit-file.ts';
import { describeWithGo } from '../support/describe-with-go.ts';
import { eventually } from '../support/eventually.ts';
import { GitUser } from '../support/git-user.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyFleet } from '../support/proxy-fleet.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import {
  callTasks,
  patience,
  SteadyLoad,
  type LoadTarget,
  type LoadTask,
} from '../support/steady-load.ts';

const limitMs = 240_000;
jest.setTimeout(limitMs);

const database = useDatabase();
const scope = new Scope();
let fleet: ProxyFleet;
/** Finds every proxy by their common name. */
let byName: GitalyClient;
/** Knows one address, which leads to another proxy with each connection. */
let byService: GitalyClient;
let user: GitUser;

beforeAll(async () => {
  fleet = scope.own(await ProxyFleet.start(database.coordinates, 2));
  const token = ProxyFleet.clientToken;
  byName = scope.own(
    createGitalyClient({
      address: `dns:///proxies:${fleet.port}`,
      token,
      ...patience,
      lookup: async () => fleet.hosts,
      lookupIntervalMs: 1000,
    }),
  );
  const { address } = fleet.service;
  byService = scope.own(createGitalyClient({ address: `tcp://${address}`, token, ...patience }));
  user = scope.own(await GitUser.create({ address, token }));
}, limitMs);

afterAll(() => scope.stop(), limitMs);

/** Makes a repository with one commit. */
async function target(relativePath: string): Promise<LoadTarget> {
  const repository = { storageName: 'default', relativePath };
  await byService.repository.createRepository({ repository });
  const commit = await commitFile(byService, { repository, branch: 'main', text: 'first' });
  return { repository, commit };
}

/** Pushes and clones of one repository, with git. */
async function gitWork(): Promise<readonly LoadTask[]> {
  const repository = { storageName: 'default', relativePath: 'git.git' };
  await byService.repository.createRepository({ repository, defaultBranch: Buffer.from('main') });
  const url = user.url(repository.relativePath);
  const tree = await user.workTree('tree');
  await user.git(['push', '-q', url, 'main'], { cwd: tree });
  return [
    {
      name: 'pushes',
      async once(round) {
        await user.commit(tree, `change ${round}`);
        await user.git(['push', '-q', url, 'main'], { cwd: tree });
      },
    },
    {
      name: 'clones',
      async once(round) {
        const clone = join(user.folder, `clone-${round}`);
        await user.git(['clone', '-q', url, clone]);
        await rm(clone, { recursive: true });
      },
    },
  ];
}

/** Replaces all proxies while `tasks` are done, and expects all that is done not to notice. */
async function rollOutUnder(tasks: readonly LoadTask[]): Promise<void> {
  const load = scope.own(new SteadyLoad(tasks));
  await eventually('every kind of work is under way', () => load.fewest >= 2, 60_000);
  const exitCodes = await fleet.rollOut();
  const before = new Map(load.done);
  await eventually(
    'every kind of work goes on',
    () => [...load.done].every(([name, rounds]) => rounds > (before.get(name) ?? 0) + 1),
    60_000,
  );
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(exitCodes).toEqual([0, 0]);
}

describe('proxies that are replaced one by one under load', () => {
  test('fail no call, and end in order', async () => {
    await rollOutUnder([
      ...callTasks('by-name', byName, await target('by-name.git')),
      ...callTasks('by-service', byService, await target('by-service.git')),
      ...(await gitWork()),
    ]);
  });
});

describeWithGo('proxies that are replaced under a stock client in Go (skipped without Go)', () => {
  beforeAll(() => goProgram('steady'), goProgramLimitMs);

  test('fail no call', async () => {
    const { repository, commit } = await target('go.git');
    const client = scope.own(
      await SteadyGoClient.start({
        target: `passthrough:///${fleet.service.address}`,
        token: ProxyFleet.clientToken,
        storage: repository.storageName,
        relativePath: repository.relativePath,
        commit,
        prefix: 'go',
      }),
    );
    await rollOutUnder(callTasks('ours', byService, await target('ours.git')));
    const { reads, writes, failures } = await client.finish();
    expect(failures).toEqual([]);
    expect(Math.min(reads, writes)).toBeGreaterThan(0);
  });
});
