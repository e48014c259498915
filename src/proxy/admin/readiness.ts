import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import { withTimeout } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { ReadinessCheckResponseSchema } from '../../gen/gitaly/server_pb.ts';
import type { RelayContext } from '../relay/context.ts';
import type { Storage } from '../upstream/storage.ts';
import { summarize } from './summary.ts';

type Context = Pick<RelayContext, 'store' | 'storages' | 'membership' | 'clock'>;

/** Something that has to be so for the cluster to serve all that it holds. */
interface Check {
  readonly name: string;
  /** Resolves with what is wrong, each for a person, or nothing. */
  run(context: Context): Promise<readonly string[]>;
}

const checks: readonly Check[] = [
  { name: 'control store', run: checkStore },
  { name: 'gitaly storages', run: checkStorages },
  { name: 'unavailable repositories', run: checkRepositories },
];

/** Checks that were given no time of their own. */
const defaultLimitMs = 10_000;

/**
 * Runs all checks at the same time, each for at most `timeout` (default and limit 10 s), and tells
 * which failed, by name.
 */
export async function checkReadiness(
  timeout: Duration | undefined,
  context: Context,
): Promise<MessageInitShape<typeof ReadinessCheckResponseSchema>> {
  const asked = timeout === undefined ? 0 : durationMs(timeout);
  const limitMs = asked > 0 ? Math.min(asked, defaultLimitMs) : defaultLimitMs;
  const results = await Promise.all(
    checks.map(async ({ name, run }) => {
      const problems = await withTimeout(context.clock, limitMs, name, run(context)).catch(
        (error: unknown) => [errorMessage(error)],
      );
      return { name, errorMessage: problems.join('; ') };
    }),
  );
  const failedChecks = results
    .filter((result) => result.errorMessage !== '')
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return failedChecks.length === 0
    ? { Result: { case: 'okResponse', value: {} } }
    : { Result: { case: 'failureResponse', value: { failedChecks } } };
}

/** The store answers, and this proxy has lately been able to write to it. */
async function checkStore({ store, membership }: Context): Promise<readonly string[]> {
  await store.liveOwners();
  return membership.holdsLease ? [] : ['this proxy could not renew its lease, and refuses writes'];
}

/**
 * Each storage answers, takes our token, which shows that the clocks agree, and can use its disk.
 */
async function checkStorages({ storages }: Context): Promise<readonly string[]> {
  const all = storages.all.flatMap((virtualStorage) => virtualStorage.storages);
  const problems = await Promise.all(all.map(problemOf));
  return problems.filter((problem) => problem !== undefined);
}

async function problemOf({ name, control, health }: Storage): Promise<string | undefined> {
  try {
    const { storageStatuses } = await control.serverInfo();
    const status = storageStatuses.find(({ storageName }) => storageName === name);
    if (status === undefined) return `${name} says that it has no storage of that name`;
    if (!status.readable) return `${name} cannot read its disk`;
    if (!status.writeable) return `${name} cannot write to its disk`;
  } catch (error) {
    return `${name}: ${errorMessage(error)}`;
  }
  return health.kind === 'unhealthy' ? `${name}: ${health.reason}` : undefined;
}

/** Each repository has a replica that is in sync and can be reached. */
async function checkRepositories({ store, storages }: Context): Promise<readonly string[]> {
  const problems = await Promise.all(
    storages.all.map(async (virtualStorage) => {
      const { unavailable } = await summarize(virtualStorage, store);
      return unavailable === 0
        ? undefined
        : `${unavailable} repositories of ${virtualStorage.name} have no in-sync replica that can be reached`;
    }),
  );
  return problems.filter((problem) => problem !== undefined);
}
