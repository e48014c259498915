import type { Command } from 'commander';
import { AcceptVolumeResponseSchema } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { withSession, type Session } from './session.ts';
import { count } from './table.ts';

interface StorageName {
  readonly virtualStorage: string;
  readonly storage: string;
}

interface AcceptFlags {
  readonly yes?: boolean;
}

/** Adds `storage` with what can be done to one. */
export function addStorageCommands(program: Command, io: CliIo): void {
  program
    .command('storage')
    .description('work with storages')
    .command('accept-volume')
    .description('declare the other volume that a storage came back with to be right')
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .option('--yes', 'do it: there is no way back')
    .action((text: string, flags: AcceptFlags, command: Command) =>
      withSession(command, io, async (session) => {
        const name = parseStorageName(text);
        if (!flags.yes) throw new CliError(await warningFor(name, session));
        const answer = await session.client.admin.acceptVolume(name);
        await session.show(AcceptVolumeResponseSchema, answer, ({ kept }) =>
          kept === 0n
            ? `${name.storage} is used with its new volume; everything there is copied anew`
            : `${name.storage} is used with its new volume, which is taken as it is for ` +
              `${count(kept, 'repository', 'repositories')}; everything else there is copied anew`,
        );
      }),
    );
}

/** @throws CliError if the text names no storage */
function parseStorageName(text: string): StorageName {
  const [virtualStorage = '', storage = '', ...rest] = text.split('/');
  if (virtualStorage !== '' && storage !== '' && rest.length === 0) {
    return { virtualStorage, storage };
  }
  throw new CliError(
    `${JSON.stringify(text)} names no storage: write the virtual storage and the storage, like default/gitaly-default-0`,
  );
}

/** What would be done, so that whoever says yes knows to what. */
async function warningFor(
  { virtualStorage, storage }: StorageName,
  { client }: Session,
): Promise<string> {
  const { virtualStorages } = await client.admin.getStatus({});
  const found = virtualStorages
    .find(({ name }) => name === virtualStorage)
    ?.storages.find(({ name }) => name === storage);
  if (found === undefined) return `there is no storage ${storage} in ${virtualStorage}`;
  if (found.healthy) return `${storage} is healthy: there is nothing to accept`;
  return (
    `${storage} is not used: ${found.healthReason}. What is in sync elsewhere would be copied from there. ` +
    'For every other repository this volume would be taken as it is, and what it lacks would be lost for good. ' +
    'Repeat the command with --yes'
  );
}
