import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';
import { RecordingLogger, type LogEntry } from '../support/recording-logger.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const log = new RecordingLogger();
let cluster: ProxyCluster;
let client: GitalyClient;

beforeAll(async () => {
  cluster = await ProxyCluster.start({ logger: log });
  client = cluster.client();
  await client.repository.createRepository({ repository });
});
afterAll(() => cluster.stop());

/** The line of the last call of a method. It may be written a moment after the client has its answer. */
function lineOf(method: string): Promise<LogEntry> {
  return eventually(`a line of ${method}`, () =>
    log.entries.findLast(({ fields }) => fields['grpc.method'] === method),
  );
}

const inTheRepository = {
  virtual_storage: 'default',
  relative_path: repository.relativePath,
  'route.repository_id': '1',
  'route.replica_path': expect.stringMatching(/^@cluster\/repositories\/6b\/86\/1$/),
};

describe('the line of a call through the proxy', () => {
  test('names the replicas that a creation was sent to', async () => {
    const { level, fields } = await lineOf('CreateRepository');
    expect(level).toBe('info');
    expect(fields).toMatchObject({
      ...inTheRepository,
      'grpc.service': 'gitaly.RepositoryService',
      'grpc.code': 'OK',
      correlation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const nodes = new Set([fields['route.primary'], ...(fields['route.secondaries'] as string[])]);
    expect(nodes).toEqual(new Set(['gitaly-0', 'gitaly-1', 'gitaly-2']));
  });

  test('names the replicas of a write, and holds nothing of what was written', async () => {
    await commitFile(client, { repository, branch: 'main', text: 'very-private' });
    const { fields } = await lineOf('UserCommitFiles');
    expect(fields).toMatchObject({ ...inTheRepository, 'grpc.code': 'OK' });
    expect(fields['route.secondaries']).toHaveLength(2);
    expect(fields['grpc.request.payload_bytes']).toBeGreaterThan(50);
    expect(log.lines.join('\n')).not.toContain('very-private');
    expect(log.lines.join('\n')).not.toContain(ProxyCluster.clientToken);
  });

  test('names the replica that a read went to', async () => {
    await client.ref.findDefaultBranchName({ repository });
    const { fields } = await lineOf('FindDefaultBranchName');
    expect(fields).toMatchObject({ ...inTheRepository, 'route.failed_storages': undefined });
    expect(fields['route.storage']).toMatch(/^gitaly-\d$/);
    expect(fields['grpc.response.payload_bytes']).toBeGreaterThan(5);
  });

  test('names the repository of a call that the proxy answers itself', async () => {
    await client.repository.repositoryExists({ repository });
    const { fields } = await lineOf('RepositoryExists');
    expect(fields).toMatchObject({
      virtual_storage: 'default',
      relative_path: repository.relativePath,
      'grpc.code': 'OK',
    });
  });

  test('tells why a call failed', async () => {
    const missing = { storageName: 'default', relativePath: 'group/missing.git' };
    const read = client.commit.findCommit({ repository: missing });
    await expect(read).rejects.toThrow('repository not found');
    const { level, fields } = await lineOf('FindCommit');
    expect(level).toBe('info');
    expect(fields).toMatchObject({
      'grpc.code': 'NotFound',
      relative_path: missing.relativePath,
      error: 'repository not found',
    });
  });
});
