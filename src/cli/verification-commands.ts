import type { Command } from 'commander';
import { MarkUnverifiedResponseSchema } from '../gen/gitaly/praefect_pb.ts';
import {
  VerifyRepositoryResponseSchema,
  type VerifyRepositoryResponse,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { parseRepositoryName } from './repository-name.ts';
import { withSession, type Session } from './session.ts';
import { count, formatTable } from './table.ts';

interface VerifyFlags {
  readonly virtualStorage?: string;
  readonly storage?: string;
}

/** Adds to `repository` what lets replicas be compared with one another. */
export function addVerifyCommand(repository: Command, io: CliIo): void {
  repository
    .command('verify')
    .description(
      'compare the replicas of a repository now, and put right what is missing or differs; or, of a whole ' +
        'virtual storage, let the proxies do so one after the other. The exit code is 1 if it takes a person',
    )
    .argument('[repository]', 'virtual storage and path, like default/group/project.git')
    .option('--virtual-storage <name>', 'every repository there')
    .option('--storage <name>', 'with --virtual-storage: only those with a replica there')
    .action((name: string | undefined, flags: VerifyFlags, command: Command) =>
      withSession(command, io, (session) => verify(name, flags, session)),
    );
}

async function verify(
  name: string | undefined,
  { virtualStorage, storage }: VerifyFlags,
  session: Session,
): Promise<void> {
  if (name !== undefined && virtualStorage === undefined && storage === undefined) {
    return verifyOne(name, session);
  }
  if (name !== undefined || virtualStorage === undefined) {
    throw new CliError('name a repository, or write --virtual-storage, perhaps with --storage');
  }
  const answer = await session.client.praefectInfo.markUnverified({
    selector:
      storage === undefined
        ? { case: 'virtualStorage', value: virtualStorage }
        : { case: 'storage', value: { virtualStorage, storage } },
  });
  await session.show(
    MarkUnverifiedResponseSchema,
    answer,
    ({ replicasMarked }) =>
      `${count(replicasMarked, 'replica', 'replicas')} will be verified, one after the other: ` +
      'gitaly_proxy_unverified_repositories tells how many are left',
  );
}

async function verifyOne(name: string, { client, show }: Session): Promise<void> {
  const answer = await client.admin.verifyRepository(parseRepositoryName(name));
  await show(VerifyRepositoryResponseSchema, answer, (response) => render(name, response));
  if (answer.outcome === 'undecidable') throw new CliError('');
}

function render(name: string, { outcome, detail, flaws }: VerifyRepositoryResponse): string {
  switch (outcome) {
    case 'verified':
      return `${name}: all replicas in sync are there, and equal.`;
    case 'leftBehind': {
      const columns = [{ heading: 'STORAGE' }, { heading: 'FLAW' }] as const;
      const rows = flaws.map(({ storage, flaw }) => [storage, flaw]);
      return `${name}: these replicas were not what they should be, and are repaired.\n\n${formatTable(columns, rows)}`;
    }
    case 'undecidable':
      return (
        `${name}: ${detail}.\nNothing was changed. Look at them with "gitaly-ha repository replicas ${name}", ` +
        `and choose one with "gitaly-ha repository accept-dataloss ${name} --storage STORAGE".`
      );
    default:
      return `${name} could not be verified: ${detail}. It has its turn again within ten minutes.`;
  }
}
