import { afterEach, describe, expect, test } from '@jest/globals';
import { statusCodes } from '../../src/rpc/status.ts';
import { repositoryIn, requestAbout } from '../support/requests.ts';
import { inSync, ScriptedCluster } from '../support/scripted-cluster.ts';
import { ignoreRequest, type ReceivedCall } from '../support/scripted-storage.ts';

const optimize = '/gitaly.RepositoryService/OptimizeRepository';
const repository = 'group/project.git';

let cluster: ScriptedCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options?: Parameters<typeof ScriptedCluster.start>[0]) {
  cluster = await ScriptedCluster.start(options);
  return cluster;
}

/** Storages that got such a call, and what they got. Repair may have called them too. */
function whoWasAsked(running: ScriptedCluster, path = optimize): Map<string, ReceivedCall> {
  const asked = running.storages.map(({ name, calls }) => {
    return [name, calls.find((received) => received.path === path)] as const;
  });
  return new Map(asked.flatMap(([name, received]) => (received ? [[name, received]] : [])));
}

describe.each(['OptimizeRepository', 'PruneUnreachableObjects'])('%s', (method) => {
  test('is carried out by every replica, those that are behind too, and by no transaction', async () => {
    const running = await start();
    await running.addRepository(repository, [
      inSync('gitaly-0'),
      inSync('gitaly-1'),
      { storage: 'gitaly-2', lsn: 0n, role: 'voter' },
    ]);
    const path = `/gitaly.RepositoryService/${method}`;
    const { code, bytes } = await running.call(path, requestAbout(repository));
    expect([code, bytes]).toEqual([statusCodes.OK, 5]);
    const asked = whoWasAsked(running, path);
    expect([...asked.keys()]).toEqual(['gitaly-0', 'gitaly-1', 'gitaly-2']);
    for (const [name, { message, fields }] of asked) {
      const relativePath = '@cluster/repositories/1';
      expect(repositoryIn(message)).toMatchObject({ storageName: name, relativePath });
      expect(fields.map((field) => field.name)).not.toContain('gitaly-reference-transaction');
    }
  });
});

describe('maintenance', () => {
  test('goes on with the replicas that are left, few as they may be for a write', async () => {
    const running = await start();
    await running.addRepository(repository);
    await running.stopStorage('gitaly-0');
    await running.stopStorage('gitaly-2');
    const { code } = await running.call(optimize, requestAbout(repository));
    expect(code).toBe(statusCodes.OK);
    expect([...whoWasAsked(running).keys()]).toEqual(['gitaly-1']);
  });

  test('ends with the first failure of a replica, after all have ended', async () => {
    const running = await start();
    await running.addRepository(repository);
    let hasPrimaryEnded = false;
    for (const name of ['gitaly-1', 'gitaly-2']) {
      running.storage(name).answer = (call) =>
        call.fail({ code: statusCodes.FAILED_PRECONDITION, message: `refused by ${name}` });
    }
    running.storage('gitaly-0').answer = (call) => {
      ignoreRequest(call);
      setImmediate(() => {
        hasPrimaryEnded = true;
        call.reply(Buffer.alloc(5));
      });
    };
    const { code, message } = await running.call(optimize, requestAbout(repository));
    expect(code).toBe(statusCodes.FAILED_PRECONDITION);
    expect(message).toBe('refused by gitaly-1');
    expect(hasPrimaryEnded).toBe(true);
  });

  test('of a repository that nobody knows is refused', async () => {
    const running = await start();
    expect(await running.call(optimize, requestAbout('missing.git'))).toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: 'repository not found',
    });
  });
});
