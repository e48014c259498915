import { InvalidArgumentError, type Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { RebalancedStorageSchema } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { parseCount } from './count.ts';
import { carryOut, readScheme, type MoveResult, type RebalanceScheme } from './rebalance.ts';
import { formatJson, withSession, type Session } from './session.ts';
import { count, formatTable } from './table.ts';

interface RebalanceFlags {
  readonly dryRun?: boolean;
  readonly maxMoves?: number;
  readonly perStorage: number;
  readonly tolerance: number;
}

/** As long as all proxies are replaced at once, and some more. */
const patienceMs = 120_000;

/** Adds `storage rebalance`. */
export function addRebalanceCommand(storage: Command, io: CliIo): void {
  storage
    .command('rebalance')
    .description(
      'move replicas so that each storage has its share: each is in sync elsewhere before it goes; ' +
        'may be stopped and begun again at any time; with --json one object in each line',
    )
    .argument('<virtual-storage>', 'its name, like default')
    .option('--dry-run', 'show the plan, and move nothing')
    .option('--max-moves <count>', 'so many at most', parseCount)
    .option('--per-storage <count>', 'at once from or to a storage', parseCount, 1)
    .option(
      '--tolerance <percent>',
      'leave storages as they are that differ by less of the average',
      parsePercent,
      5,
    )
    .action((virtualStorage: string, flags: RebalanceFlags, command: Command) =>
      withSession(command, io, (session) => rebalance(virtualStorage, flags, session)),
    );
}

/** @throws InvalidArgumentError if it is no whole number up to 100 */
function parsePercent(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= 100) return Number(text);
  throw new InvalidArgumentError('use a number from 0 to 100.');
}

async function rebalance(
  virtualStorage: string,
  { dryRun = false, maxMoves = 0, perStorage, tolerance }: RebalanceFlags,
  session: Session,
): Promise<void> {
  const { client } = session;
  const plan = (left: number) =>
    readScheme(client, { virtualStorage, maxMoves: left, tolerancePercent: tolerance });
  const report = new Report(session, virtualStorage);
  let scheme = await plan(maxMoves);
  await report.planned(scheme);
  if (dryRun) return;
  const options = { client, virtualStorage, perStorage, clock: systemClock, patienceMs };
  while (scheme.count > 0) {
    const endedBefore = report.ended;
    for await (const result of carryOut(scheme.moves, options)) await report.tell(result);
    // What was refused would be refused again.
    if (report.ended === endedBefore) break;
    const left = maxMoves - report.moved;
    scheme = maxMoves > 0 && left <= 0 ? nothing : await plan(maxMoves > 0 ? left : 0);
    report.further(scheme);
  }
  await report.finish(scheme);
}

const nothing: RebalanceScheme = { storages: [], count: 0, moves: [] };

/** Tells how it goes, to people or programs. */
class Report {
  readonly #session: Session;
  readonly #virtualStorage: string;
  #total = 0;
  #told = 0;
  moved = 0;
  /** Moved, or gone. */
  ended = 0;

  constructor(session: Session, virtualStorage: string) {
    this.#session = session;
    this.#virtualStorage = virtualStorage;
  }

  async planned(scheme: RebalanceScheme): Promise<void> {
    const { json, print } = this.#session;
    this.#total = scheme.count;
    if (!json) return print(renderScheme(scheme));
    const storages = scheme.storages
      .map((storage) => formatJson(RebalancedStorageSchema, storage))
      .join(',');
    return print(`{"planned":${scheme.count},"storages":[${storages}]}`);
  }

  further({ count: more }: RebalanceScheme): void {
    this.#total = this.#told + more;
  }

  async tell({ move, outcome, reason }: MoveResult): Promise<void> {
    const { json, print } = this.#session;
    const { relativePath, from, to } = move;
    this.#told += 1;
    if (outcome === 'moved') this.moved += 1;
    if (outcome === 'moved' || outcome === 'removed') this.ended += 1;
    if (json) {
      const virtualStorage = this.#virtualStorage;
      return print(JSON.stringify({ virtualStorage, relativePath, from, to, outcome, reason }));
    }
    const what = `${this.#virtualStorage}/${relativePath} from ${from} to ${to}`;
    return print(`${this.#told} of ${this.#total}: ${what}${remarks[outcome]}${reason}`);
  }

  /** @throws CliError if something could not be moved */
  async finish({ count: notMoved }: RebalanceScheme): Promise<void> {
    const { json, print } = this.#session;
    if (json) await print(JSON.stringify({ moved: this.moved, notMoved }));
    else if (this.#told > 0) await print(`${count(this.moved, 'replica', 'replicas')} moved.`);
    if (notMoved === 0) return;
    throw new CliError(
      `${count(notMoved, 'replica was', 'replicas were')} not moved: the same command plans anew`,
    );
  }
}

const remarks = {
  moved: '',
  refused: ' was not begun: ',
  calledOff: ' was called off',
  removed: ' is not needed: the repository is gone',
} as const;

/** What is planned, for people. */
function renderScheme({ storages, count: moves }: RebalanceScheme): string {
  const rows = storages.map((storage) => [
    storage.name,
    String(storage.replicasBefore),
    String(storage.replicasAfter),
    gibibytes(storage.usedBytesBefore),
    gibibytes(storage.usedBytesAfter),
  ]);
  const table = formatTable(columns, rows);
  if (moves === 0) return `${table}\n\nNothing is to be moved.`;
  return `${table}\n\n${count(moves, 'replica is', 'replicas are')} to be moved.`;
}

const columns = [
  { heading: 'STORAGE' },
  { heading: 'REPLICAS', align: 'right' },
  { heading: 'AFTER', align: 'right' },
  { heading: 'USED', align: 'right' },
  { heading: 'AFTER, ABOUT', align: 'right' },
] as const;

function gibibytes(bytes: bigint): string {
  return bytes === 0n ? 'unknown' : `${(Number(bytes) / 2 ** 30).toFixed(1)} GiB`;
}
