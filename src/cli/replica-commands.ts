import type { Command } from 'commander';
import { MoveReplicaResponseSchema } from '../gen/gitaly_operator/v1/admin_pb.ts';
import {
  DatalossResponse_RepositorySchema,
  RepositoryReplicasResponseSchema,
  SetAuthoritativeStorageResponseSchema,
  SetReplicationFactorResponseSchema,
} from '../gen/gitaly/praefect_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { renderComparison, renderLosses, type Loss } from './replica-view.ts';
import { parseCount } from './count.ts';
import { parseRepositoryName } from './repository-name.ts';
import { formatJson, withSession, type Session } from './session.ts';
import { count } from './table.ts';

/** Adds to `repository` what is about its replicas, and what helps when they are lost. */
export function addReplicaCommands(repository: Command, io: CliIo): void {
  addDataloss(repository, io);
  addAcceptDataloss(repository, io);
  addReplicas(repository, io);
  addSetReplicationFactor(repository, io);
  addMoveReplica(repository, io);
}

interface DatalossFlags {
  readonly virtualStorage?: string;
  readonly partiallyReplicated?: boolean;
}

function addDataloss(parent: Command, io: CliIo): void {
  parent
    .command('dataloss')
    .description(
      'list repositories without an in-sync replica that can be reached, and what the others lack; ' +
        'with --json one object in each line',
    )
    .option('--virtual-storage <name>', 'only those of this virtual storage')
    .option('--partially-replicated', 'also those of which only some replicas are missed')
    .action((flags: DatalossFlags, command: Command) =>
      withSession(command, io, (session) => showLosses(session, flags)),
    );
}

async function showLosses(session: Session, flags: DatalossFlags): Promise<void> {
  const { client, json, print } = session;
  const names =
    flags.virtualStorage === undefined ? await allNames(session) : [flags.virtualStorage];
  const losses: Loss[] = [];
  for (const virtualStorage of names) {
    const chunks = client.praefectInfo.dataloss({
      virtualStorage,
      includePartiallyReplicated: flags.partiallyReplicated ?? false,
    });
    for await (const { repositories } of chunks) {
      for (const repository of repositories) {
        if (!json) losses.push({ virtualStorage, repository });
        else await print(lineOf({ virtualStorage, repository }));
      }
    }
  }
  if (!json) await print(renderLosses(losses));
}

async function allNames({ client }: Session): Promise<readonly string[]> {
  const { virtualStorages } = await client.admin.getStatus({});
  return virtualStorages.map(({ name }) => name);
}

/** One line of JSON: the repository as the service describes it, and where it is. */
function lineOf({ virtualStorage, repository }: Loss): string {
  const fields = formatJson(DatalossResponse_RepositorySchema, repository).slice(1);
  return `{"virtualStorage":${JSON.stringify(virtualStorage)},${fields}`;
}

interface AcceptFlags {
  readonly storage: string;
  readonly yes?: boolean;
}

function addAcceptDataloss(parent: Command, io: CliIo): void {
  parent
    .command('accept-dataloss')
    .description('declare one replica to be right and give up what only the others hold')
    .argument('<repository>', 'virtual storage and path, like default/group/project.git')
    .requiredOption('--storage <name>', 'where the replica is')
    .option('--yes', 'do it: there is no way back')
    .action((name: string, flags: AcceptFlags, command: Command) =>
      withSession(command, io, async (session) => {
        if (!flags.yes) throw new CliError(await warningFor(name, flags.storage, session));
        const answer = await session.client.praefectInfo.setAuthoritativeStorage({
          ...parseRepositoryName(name),
          authoritativeStorage: flags.storage,
        });
        await session.show(
          SetAuthoritativeStorageResponseSchema,
          answer,
          () => `${flags.storage} is right for ${name}; the other replicas are made like it`,
        );
      }),
    );
}

/** What would be given up, so that whoever says yes knows to what. */
async function warningFor(name: string, storage: string, { client }: Session): Promise<string> {
  const { generation, replicas } = await client.praefectInfo.getRepositoryMetadata({
    query: { case: 'path', value: parseRepositoryName(name) },
  });
  const replica = replicas.find((candidate) => candidate.storage === storage);
  if (replica === undefined) {
    const holders = replicas.map((candidate) => candidate.storage).join(', ');
    return `${storage} has no replica of ${name}: ${holders} have`;
  }
  if (replica.generation < 0n)
    return `the replica on ${storage} was never complete: it cannot be right`;
  const lost = generation - replica.generation;
  const loss =
    lost === 0n
      ? `${storage} is in sync: nothing that is known is lost, and the other replicas are copied anew.`
      : `the last ${count(lost, 'write', 'writes')} to ${name}, which ${storage} lacks, would be lost for good.`;
  return `${loss} Repeat the command with --yes`;
}

function addReplicas(parent: Command, io: CliIo): void {
  parent
    .command('replicas')
    .description('compare the checksums that the replicas of a repository have now')
    .argument('<repository>', 'virtual storage and path, like default/group/project.git')
    .action((name: string, _flags: object, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const { virtualStorage: storageName, relativePath } = parseRepositoryName(name);
        const repository = { storageName, relativePath };
        const answer = await client.praefectInfo.repositoryReplicas({ repository });
        await show(RepositoryReplicasResponseSchema, answer, renderComparison);
      }),
    );
}

function addSetReplicationFactor(parent: Command, io: CliIo): void {
  parent
    .command('set-replication-factor')
    .description(
      'give a repository more replicas than its virtual storage asks for, or fewer again',
    )
    .argument('<repository>', 'virtual storage and path, like default/group/project.git')
    .argument('<count>', 'how many replicas', parseCount)
    .action((name: string, replicationFactor: number, _flags: object, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const request = { ...parseRepositoryName(name), replicationFactor };
        const answer = await client.praefectInfo.setReplicationFactor(request);
        await show(
          SetReplicationFactorResponseSchema,
          answer,
          ({ storages }) => `${name} is on ${storages.join(', ')}, or will be`,
        );
      }),
    );
}

interface MoveFlags {
  readonly from: string;
  readonly to: string;
}

function addMoveReplica(parent: Command, io: CliIo): void {
  parent
    .command('move-replica')
    .description(
      'move a replica to another storage: it is in sync there before the old one is given up',
    )
    .argument('<repository>', 'virtual storage and path, like default/group/project.git')
    .requiredOption('--from <storage>', 'where it is')
    .requiredOption('--to <storage>', 'where it is to be')
    .action((name: string, { from, to }: MoveFlags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const request = { ...parseRepositoryName(name), from, to };
        const answer = await client.admin.moveReplica(request);
        await show(
          MoveReplicaResponseSchema,
          answer,
          () => `${name} moves from ${from} to ${to}; "repository show" tells how far it is`,
        );
      }),
    );
}
