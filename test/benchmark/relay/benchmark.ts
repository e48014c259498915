import type { Stoppable } from '../../../src/base/scope.ts';
import { Scope } from '../../../src/base/scope.ts';
import type { Round, Sample } from './comparison.ts';
import { LoadClient, type LoadCommand } from './load-client.ts';
import { credentials, Peers, type Target } from './peers.ts';
import { cpuMsOf, residentMiBOf } from '../../support/process-usage.ts';
import { commandOf, repositories, type Extent, type Workload } from './workloads.ts';

/** Streams that are open while memory is read, and how many of them nobody reads. */
export const heldStreams = { open: 1000, stalled: 100 };

/** The proxy, the Go relay and a load client, started and ready to be measured. */
export class Benchmark implements Stoppable {
  readonly #scope: Scope;
  readonly #load: LoadClient;
  readonly #go: Target;
  readonly #proxies: Readonly<Record<'postgres' | 'memory', Target>>;

  private constructor(
    scope: Scope,
    load: LoadClient,
    go: Target,
    proxies: Readonly<Record<'postgres' | 'memory', Target>>,
  ) {
    this.#scope = scope;
    this.#load = load;
    this.#go = go;
    this.#proxies = proxies;
  }

  static async start(): Promise<Benchmark> {
    const scope = new Scope();
    try {
      const peers = scope.own(await Peers.start());
      const load = scope.own(await LoadClient.start());
      const memory = await peers.startMemoryProxy(repositories);
      const postgres = await peers.startProxy();
      const benchmark = new Benchmark(scope, load, peers.go, { memory, postgres });
      await benchmark.#createRepositories();
      return benchmark;
    } catch (error) {
      await scope.stop();
      throw error;
    }
  }

  /** One round: first the one, then the other, in turns, so that neither is always the second. */
  async round(workload: Workload, extent: Extent, number: number): Promise<Round> {
    const target = this.#proxies[workload.store ?? 'postgres'];
    const command = commandOf(workload, extent);
    const measure = (which: Target) => measureLoad(this.#load, which, command);
    if (number % 2 === 0) {
      const go = await measure(this.#go);
      return { go, proxy: await measure(target) };
    }
    const proxy = await measure(target);
    return { proxy, go: await measure(this.#go) };
  }

  /** What the proxy and the Go relay have in memory while {@link heldStreams} are open. Once only. */
  async memoryMiB(): Promise<{ readonly proxy: number; readonly go: number }> {
    const measure = async ({ address, pid }: Target) => {
      const command = { ...idle, ...credentials, target: address };
      const { open: concurrency, stalled } = heldStreams;
      await this.#load.run({ ...command, work: 'hold', concurrency, stalled, connections: 8 });
      // What is sent until the readers' windows are full has to arrive.
      const mib = await settled(() => residentMiBOf(pid));
      await this.#load.run({ ...command, work: 'close' });
      return mib;
    };
    return { proxy: await measure(this.#proxies.postgres), go: await measure(this.#go) };
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }

  async #createRepositories(): Promise<void> {
    const target = this.#proxies.postgres.address;
    const command = { ...idle, ...credentials, target, repositories, minCalls: repositories };
    await this.#load.run({ ...command, work: 'create', concurrency: 8, connections: 8 });
  }
}

const idle = { concurrency: 1, connections: 1, repositories: 1, ms: 0, streamBytes: 0 };

/** Runs a command at a target, and takes the CPU that its process has used meanwhile. */
export async function measureLoad(
  load: LoadClient,
  { address, pid }: Target,
  command: Omit<LoadCommand, 'target' | 'token' | 'storage'>,
): Promise<Sample> {
  const cpuBefore = await cpuMsOf(pid);
  const { calls, bytes, ms, p99Us } = await load.run({
    ...credentials,
    ...command,
    target: address,
  });
  const cpuMs = (await cpuMsOf(pid)) - cpuBefore;
  return { units: bytes > 0 ? bytes : calls, ms, cpuMs, p99Us };
}

/** A figure, when it has stopped to grow. */
async function settled(read: () => Promise<number>): Promise<number> {
  for (let before = 0; ;) {
    const now = await read();
    if (now <= before * 1.01) return now;
    before = now;
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
    });
  }
}
