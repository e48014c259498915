import { spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from './progress.ts';

/** A process that can be told from a later one with the same number. */
export interface ProcessRecord {
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot (field 22 of /proc/PID/stat). */
  readonly startTime: string;
}

/** A command that goes on when we end. */
export interface Daemon {
  /** Its record and its log are named so. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

const killLimitMs = 60_000;

/** The long-lived processes of one testbed, recorded in a folder. */
export class Processes {
  readonly #records: string;
  readonly #logs: string;

  constructor(records: string, logs: string) {
    this.#records = records;
    this.#logs = logs;
  }

  /** Starts a daemon in a session of its own, its output in `NAME.log`, and records it. */
  async start(daemon: Daemon): Promise<ProcessRecord> {
    await mkdir(this.#records, { recursive: true });
    await mkdir(this.#logs, { recursive: true });
    const log = await open(this.logFile(daemon.name), 'a');
    try {
      const child = spawn(daemon.command, daemon.args, {
        detached: true,
        cwd: '/',
        stdio: ['ignore', log.fd, log.fd],
      });
      const pid = await new Promise<number>((resolve, reject) => {
        child.on('error', reject);
        child.on('spawn', () => resolve(child.pid ?? 0));
      });
      child.unref();
      const record = await recordOf(pid);
      if (record === undefined) {
        throw new Error(`${daemon.name} ended at once; see ${this.logFile(daemon.name)}`);
      }
      await writeJson(this.#recordFile(daemon.name), record);
      return record;
    } finally {
      await log.close();
    }
  }

  /** The process of that name, if it was started and still runs. */
  async find(name: string): Promise<ProcessRecord | undefined> {
    const record = await readRecord(this.#recordFile(name));
    return record !== undefined && (await isRunning(record)) ? record : undefined;
  }

  /** Kills the process of that name, waits for its end, and forgets it. */
  async kill(name: string): Promise<void> {
    const record = await readRecord(this.#recordFile(name));
    if (record !== undefined) await killAndWait(record);
    await rm(this.#recordFile(name), { force: true });
  }

  /** The names of all that were started and not killed by us, whether they still run or not. */
  async names(): Promise<readonly string[]> {
    const files = await readdir(this.#records).catch(() => []);
    return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
  }

  /** Where the output of the process of that name goes. */
  logFile(name: string): string {
    return join(this.#logs, `${name}.log`);
  }

  #recordFile(name: string): string {
    return join(this.#records, `${name}.json`);
  }
}

/** Records a process by its number; undefined if there is none, or only its remains. */
export async function recordOf(pid: number): Promise<ProcessRecord | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const { state, startTime } = parseStat(stat);
  return state === 'Z' || state === 'X' ? undefined : { pid, startTime };
}

/** The state and start time in a line of /proc/PID/stat (proc(5)). */
export function parseStat(stat: string): { readonly state: string; readonly startTime: string } {
  // The name in brackets may hold blanks and brackets itself, so count from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
}

/** Whether that very process runs. One that has ended but was not yet reaped doesn't. */
export async function isRunning(record: ProcessRecord): Promise<boolean> {
  return (await recordOf(record.pid))?.startTime === record.startTime;
}

/** Sends SIGKILL to that very process and waits until it has ended. */
export async function killAndWait(record: ProcessRecord): Promise<void> {
  if (!(await isRunning(record))) return;
  try {
    process.kill(record.pid, 'SIGKILL');
  } catch {
    // It ended between the look and the signal.
  }
  const options = { limitMs: killLimitMs, everyMs: 20 };
  await waitUntil(
    `the end of process ${record.pid}`,
    options,
    async () => !(await isRunning(record)),
  );
}

/** The children of a process that run. */
export async function childrenOf(pid: number): Promise<readonly ProcessRecord[]> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const text = await readFile(path, 'utf8').catch(() => '');
  const pids = text.split(' ').filter((word) => word.trim() !== '');
  const records = await Promise.all(pids.map((child) => recordOf(Number(child))));
  return records.filter((record) => record !== undefined);
}

/** Reads what {@link writeJson} wrote, if it is there and whole. */
export async function readRecord(file: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  try {
    const value = JSON.parse(text) as Partial<ProcessRecord>;
    const { pid, startTime } = value;
    return pid !== undefined && startTime !== undefined ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a file so that a reader sees all of it or none. */
export async function writeJson(file: string, value: object): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(value));
  await rename(`${file}.new`, file);
}
