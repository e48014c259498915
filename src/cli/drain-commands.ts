import { InvalidArgumentError, type Command } from 'commander';
import { sleep, systemClock } from '../base/clock.ts';
import {
  CancelDrainResponseSchema,
  DrainSchema,
  RequestDrainResponseSchema,
  type Drain,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { parseCount } from './count.ts';
import { drainText } from './drain-view.ts';
import { withSession, type Session } from './session.ts';
import { parseStorageName, type StorageName } from './storage-name.ts';
import { storageStatusOf } from './storage-status.ts';

interface DrainFlags {
  readonly reason: string;
  readonly requester: string;
  readonly grace?: readonly CallGrace[];
  readonly wait?: number;
}

const requesterOption = [
  '--requester <name>',
  'who asks for it: each has one request for a storage',
  'gitaly-ha',
] as const;

/** How often it is looked how far the drain is. */
const lookMs = 500;

/** Adds `storage drain` and `storage undrain`. */
export function addDrainCommands(storage: Command, io: CliIo): void {
  storage
    .command('drain')
    .description(
      'keep clients away from a storage until "storage undrain": reads and primaries go elsewhere, writes still reach it',
    )
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .requiredOption('--reason <text>', 'why, for whoever looks at the status')
    .option(...requesterOption)
    .option(
      '--grace <class=seconds>',
      'cut calls of a class (unary, stream, fetch, push) that take longer than that; may be given more than once',
      addGrace,
    )
    .option('--wait <seconds>', 'wait until it has no clients, so long at most', parseCount)
    .action((text: string, { reason, requester, grace = [], wait }: DrainFlags, command: Command) =>
      withSession(command, io, async (session) => {
        const name = parseStorageName(text);
        const answer = await session.client.admin.requestDrain({
          ...name,
          requester,
          reason,
          graces: [...grace],
        });
        if (wait === undefined) {
          await session.show(
            RequestDrainResponseSchema,
            answer,
            () => `${name.storage} is drained from now on; "status" shows how far it is`,
          );
          return;
        }
        const drain = await drained(name, session, wait * 1000);
        await session.show(DrainSchema, drain, () => `${name.storage} has no clients`);
      }),
    );
  storage
    .command('undrain')
    .description('take the request for a drain back')
    .argument('<storage>', 'virtual storage and storage, like default/gitaly-default-0')
    .option(...requesterOption)
    .action((text: string, { requester }: Pick<DrainFlags, 'requester'>, command: Command) =>
      withSession(command, io, async (session) => {
        const name = parseStorageName(text);
        const answer = await session.client.admin.cancelDrain({ ...name, requester });
        const left = (await storageStatusOf(name, session))?.drain;
        await session.show(CancelDrainResponseSchema, answer, () =>
          left === undefined
            ? `${name.storage} is used again`
            : `${name.storage} is still drained for ${left.requesters.map((it) => it.requester).join(', ')}`,
        );
      }),
    );
}

interface CallGrace {
  readonly class: string;
  readonly ms: bigint;
}

/** @throws InvalidArgumentError if it is not `class=seconds` */
function addGrace(text: string, before: readonly CallGrace[] = []): readonly CallGrace[] {
  const [name = '', seconds = '', ...rest] = text.split('=');
  if (name === '' || !/^\d{1,6}$/.test(seconds) || rest.length > 0) {
    throw new InvalidArgumentError('write a class of calls and seconds, like fetch=600.');
  }
  return [...before, { class: name, ms: BigInt(seconds) * 1000n }];
}

/** @throws CliError if it takes longer than `limitMs` */
async function drained(name: StorageName, session: Session, limitMs: number): Promise<Drain> {
  const giveUpAtMs = systemClock.monotonicMs() + limitMs;
  for (let told = ''; ;) {
    const drain = (await storageStatusOf(name, session))?.drain;
    if (drain === undefined)
      throw new CliError(`somebody has taken the drain of ${name.storage} back`);
    if (drain.drained) return drain;
    const text = drainText(drain);
    if (text !== told && !session.json) await session.print(text);
    told = text;
    if (systemClock.monotonicMs() >= giveUpAtMs) {
      throw new CliError(
        `${name.storage} still has clients after ${limitMs / 1000} s: ${text}. The drain goes on: ` +
          'wait with the same command, or take it back with "storage undrain"',
      );
    }
    await sleep(systemClock, lookMs);
  }
}
