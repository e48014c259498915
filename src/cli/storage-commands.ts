import type { Command } from 'commander';
import {
  AcceptVolumeResponseSchema,
  OrphanSchema,
  type Orphan,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { addDrainCommands } from './drain-commands.ts';
import { renderOrphans } from './orphan-view.ts';
import { addPlacementCommands } from './placement-commands.ts';
import { addRebalanceCommand } from './rebalance-command.ts';
import { formatJson, withSession, type Session } from './session.ts';
import { parseStorageName, type StorageName } from './storage-name.ts';
import { storageStatusOf } from './storage-status.ts';
import { count } from './table.ts';

interface AcceptFlags {
  readonly yes?: boolean;
}

/** Adds `storage` with what can be done to one. */
export function addStorageCommands(program: Command, io: CliIo): void {
  const storage = program.command('storage').description('work with storages');
  addDrainCommands(storage, io);
  addPlacementCommands(storage, io);
  addRebalanceCommand(storage, io);
  addOrphans(storage, io);
  storage
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

function addOrphans(parent: Command, io: CliIo): void {
  parent
    .command('orphans')
    .description(
      "list what is on a storage's disk and belongs to no repository; with --json one object in each line",
    )
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .option('--remove', 'remove what can be, for good: it has to be a day old')
    .action((text: string, flags: { readonly remove?: boolean }, command: Command) =>
      withSession(command, io, async ({ client, json, print }) => {
        const name = parseStorageName(text);
        const orphans: Orphan[] = [];
        const remove = flags.remove ?? false;
        for await (const orphan of client.admin.findOrphans({ ...name, remove })) {
          if (json) await print(formatJson(OrphanSchema, orphan));
          else orphans.push(orphan);
        }
        if (!json) await print(renderOrphans(orphans, name.storage));
      }),
    );
}

/** What would be done, so that whoever says yes knows to what. */
async function warningFor(name: StorageName, session: Session): Promise<string> {
  const { virtualStorage, storage } = name;
  const found = await storageStatusOf(name, session);
  if (found === undefined) return `there is no storage ${storage} in ${virtualStorage}`;
  if (found.healthy) return `${storage} is healthy: there is nothing to accept`;
  return (
    `${storage} is not used: ${found.healthReason}. What is in sync elsewhere would be copied from there. ` +
    'For every other repository this volume would be taken as it is, and what it lacks would be lost for good. ' +
    'Repeat the command with --yes'
  );
}
