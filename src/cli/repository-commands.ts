import { Option, type Command } from 'commander';
import {
  CalculateChecksumResponseSchema,
  CreateRepositoryResponseSchema,
  RemoveRepositoryResponseSchema,
  RepositoryExistsResponseSchema,
} from '../gen/gitaly/repository_pb.ts';
import { ObjectFormat } from '../gen/gitaly/shared_pb.ts';
import {
  RepositoryStatusSchema,
  type RepositoryStatus,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { parseCount } from './count.ts';
import { addReplicaCommands } from './replica-commands.ts';
import { parseRepositoryName } from './repository-name.ts';
import { addVerifyCommand } from './verification-commands.ts';
import { formatJson, withSession, type Session } from './session.ts';
import { renderRepositories, renderRepository } from './status-view.ts';

const nameArgument = 'virtual storage and path, like default/group/project.git';

/** Adds `repository` with what can be done to one. */
export function addRepositoryCommands(program: Command, io: CliIo): void {
  const repository = program.command('repository').description('work with repositories');
  addCreate(repository, io);
  addRemove(repository, io);
  addExists(repository, io);
  addChecksum(repository, io);
  addList(repository, io);
  addShow(repository, io);
  addReplicaCommands(repository, io);
  addVerifyCommand(repository, io);
}

interface CreateFlags {
  readonly defaultBranch?: string;
  readonly objectFormat: 'sha1' | 'sha256';
}

function addCreate(parent: Command, io: CliIo): void {
  parent
    .command('create')
    .description('create an empty repository')
    .argument('<repository>', nameArgument)
    .option('--default-branch <name>', 'the branch that HEAD points to')
    .addOption(
      new Option('--object-format <format>', 'the hash that names objects')
        .choices(['sha1', 'sha256'])
        .default('sha1'),
    )
    .action((name: string, flags: CreateFlags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const answer = await client.repository.createRepository({
          repository: repositoryOf(name),
          defaultBranch: Buffer.from(flags.defaultBranch ?? ''),
          objectFormat: flags.objectFormat === 'sha256' ? ObjectFormat.SHA256 : ObjectFormat.SHA1,
        });
        await show(CreateRepositoryResponseSchema, answer, () => `created ${name}`);
      }),
    );
}

function addRemove(parent: Command, io: CliIo): void {
  parent
    .command('remove')
    .description('remove a repository from every storage, for good')
    .argument('<repository>', nameArgument)
    .option('--yes', 'do it: there is no way back')
    .action((name: string, flags: { readonly yes?: boolean }, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        if (!flags.yes) {
          throw new CliError(`removing ${name} cannot be undone: repeat the command with --yes`);
        }
        const answer = await client.repository.removeRepository({ repository: repositoryOf(name) });
        await show(RemoveRepositoryResponseSchema, answer, () => `removed ${name}`);
      }),
    );
}

function addExists(parent: Command, io: CliIo): void {
  parent
    .command('exists')
    .description('tell whether a repository exists; the exit code is 1 if it does not')
    .argument('<repository>', nameArgument)
    .action((name: string, _flags: object, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const answer = await client.repository.repositoryExists({ repository: repositoryOf(name) });
        await show(RepositoryExistsResponseSchema, answer, ({ exists }) =>
          exists ? `${name} exists` : `${name} does not exist`,
        );
        if (!answer.exists) throw new CliError('');
      }),
    );
}

function addChecksum(parent: Command, io: CliIo): void {
  parent
    .command('checksum')
    .description('print a checksum of the references: equal for equal repositories')
    .argument('<repository>', nameArgument)
    .action((name: string, _flags: object, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const repository = repositoryOf(name);
        const answer = await client.repository.calculateChecksum({ repository });
        await show(CalculateChecksumResponseSchema, answer, ({ checksum }) => checksum);
      }),
    );
}

interface ListFlags {
  readonly virtualStorage?: string;
  readonly degraded?: boolean;
  readonly undecided?: boolean;
  readonly limit: number;
}

function addList(parent: Command, io: CliIo): void {
  parent
    .command('list')
    .description('list repositories and where they are; with --json one object in each line')
    .option('--virtual-storage <name>', 'only those of this virtual storage')
    .option('--degraded', 'only those that are not fully replicated')
    .option('--undecided', 'only those of which a person has to tell which replica is right')
    .option('--limit <count>', 'how many at most', parseCount, 1000)
    .action((flags: ListFlags, command: Command) =>
      withSession(command, io, (session) => listRepositories(session, flags)),
    );
}

async function listRepositories(session: Session, flags: ListFlags): Promise<void> {
  const { client, json, print } = session;
  const listed: RepositoryStatus[] = [];
  let printed = 0;
  let isCut = false;
  const all = client.admin.listRepositories({
    virtualStorage: flags.virtualStorage ?? '',
    onlyDegraded: flags.degraded ?? false,
    onlyUndecided: flags.undecided ?? false,
  });
  for await (const repository of all) {
    isCut = printed + listed.length === flags.limit;
    if (isCut) break;
    if (json) {
      await print(formatJson(RepositoryStatusSchema, repository));
      printed += 1;
    } else listed.push(repository);
  }
  if (json) return;
  await print(renderRepositories(listed));
  if (isCut) await print(`There are more than ${flags.limit}: see them with --limit.`);
}

function addShow(parent: Command, io: CliIo): void {
  parent
    .command('show')
    .description('show the replicas of a repository')
    .argument('<repository>', nameArgument)
    .action((name: string, _flags: object, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        for await (const repository of client.admin.listRepositories(parseRepositoryName(name))) {
          await show(RepositoryStatusSchema, repository, renderRepository);
          return;
        }
        throw new CliError(
          `${name} does not exist: "gitaly-ha repository list" shows the repositories that there are`,
        );
      }),
    );
}

function repositoryOf(name: string) {
  const { virtualStorage, relativePath } = parseRepositoryName(name);
  return { storageName: virtualStorage, relativePath };
}
