import type { Command } from 'commander';
import {
  SetStorageWeightResponseSchema,
  SetStorageZoneResponseSchema,
  type StorageStatus,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { withSession } from './session.ts';
import { parseStorageName } from './storage-name.ts';

/** Adds `storage weight` and `storage zone`. */
export function addPlacementCommands(storage: Command, io: CliIo): void {
  storage
    .command('weight')
    .description(
      'set how often new repositories go to a storage: twice the weight, twice as often; drains leave it as it is',
    )
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .argument(
      '<weight>',
      'auto: by its free space, where 100 is as often as to most; or a number, 0 for none',
    )
    .action((text: string, weightText: string, _flags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const name = parseStorageName(text);
        const weight = parseWeight(weightText);
        const answer = await client.admin.setStorageWeight({
          ...name,
          ...(weight !== 'auto' && { weight }),
        });
        await show(SetStorageWeightResponseSchema, answer, () => said(name.storage, weight));
      }),
    );
  storage
    .command('zone')
    .description(
      'say in which zone a storage is: replicas of new repositories go to different ones',
    )
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .argument('<zone>', 'its name; an empty one if nobody knows')
    .action((text: string, zone: string, _flags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        const name = parseStorageName(text);
        const answer = await client.admin.setStorageZone({ ...name, zone });
        await show(SetStorageZoneResponseSchema, answer, () =>
          zone === ''
            ? `${name.storage} is in no zone that is known`
            : `${name.storage} is in zone ${zone}`,
        );
      }),
    );
}

/** @throws CliError if it is neither `auto` nor a whole number */
function parseWeight(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CliError(`${JSON.stringify(text)} is no weight: write auto, or a number from 0 on`);
}

function said(storage: string, weight: number | 'auto'): string {
  if (weight === 'auto') return `new repositories go to ${storage} by its free space`;
  if (weight > 0) return `new repositories go to ${storage} with the weight ${weight}`;
  return `new repositories go to ${storage} only if there are not enough others; what is there stays`;
}

/** What a storage weighs, and who says so. */
export function weightText({ weight, configuredWeight, full }: StorageStatus): string {
  const source = configuredWeight === undefined ? 'auto' : 'by hand';
  return `${Math.round(weight)} (${full ? `full, ${source}` : source})`;
}

/** What is free on a storage's disk, for people. */
export function freeText({ freeBytes, totalBytes }: StorageStatus): string {
  if (totalBytes === 0n) return 'unknown';
  const percent = Math.floor((Number(freeBytes) / Number(totalBytes)) * 100);
  return `${(Number(freeBytes) / 2 ** 30).toFixed(1)} GiB (${percent} %)`;
}
