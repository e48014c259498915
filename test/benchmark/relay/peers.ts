import { Scope, type Stoppable } from '../../../src/base/scope.ts';
import { goProgram } from '../../support/go-program.ts';
import { LineProcess } from '../../support/line-process.ts';
import { startPostgres } from '../../support/postgres-server.ts';
import { ProxyProcess, type ProxyProcessOptions } from '../../support/proxy-process.ts';

const virtualStorage = 'default';
const clientToken = 'token of the clients';

/** Somewhere that load can be sent. */
export interface Target {
  /** `host:port`. */
  readonly address: string;
  readonly pid: number;
}

/** What clients need to know to be served. The Go relay asks for no token. */
export const credentials = { storage: virtualStorage, token: clientToken };

/** Everything that is measured, and what lies behind it. */
export class Peers implements Stoppable {
  readonly go: Target;
  readonly #storages: readonly string[];
  readonly #scope: Scope;

  private constructor(scope: Scope, storages: readonly string[], go: Target) {
    this.#scope = scope;
    this.#storages = storages;
    this.go = go;
  }

  /** Starts three storages that do nothing and the Go relay before them. */
  static async start(): Promise<Peers> {
    const scope = new Scope();
    try {
      const backend = scope.own(await LineProcess.start(await goProgram('backend'), []));
      const storages = JSON.parse(backend.firstLine) as string[];
      const relay = scope.own(await LineProcess.start(await goProgram('relay'), storages));
      const go = { address: JSON.parse(relay.firstLine) as string, pid: relay.pid };
      return new Peers(scope, storages, go);
    } catch (error) {
      await scope.stop();
      throw error;
    }
  }

  /** Starts a proxy before the same storages, with a database that does not sync to its disk. */
  async startProxy(): Promise<Target> {
    const postgres = this.#scope.own(await startPostgres());
    return this.#startProxy(postgres.coordinates('postgres'));
  }

  /** Starts a proxy before the same storages, whose store is its own memory. */
  startMemoryProxy(repositories: number, workers = 1): Promise<Target> {
    return this.#startProxy({ kind: 'memory', repositories }, workers);
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }

  async #startProxy(store: ProxyProcessOptions['store'], workers = 1): Promise<Target> {
    const storages = this.#storages.map((address, index) => ({
      name: `gitaly-${index}`,
      address: `tcp://${address}`,
    }));
    const policy = { replicationFactor: storages.length, minInSyncReplicas: 2 };
    const proxy = await ProxyProcess.start({
      virtualStorages: [{ name: virtualStorage, ...policy, storages }],
      store,
      clientToken,
      gitalyToken: 'token of the storages',
      config: { workers },
    });
    this.#scope.own(proxy);
    return { address: `127.0.0.1:${proxy.grpcPort}`, pid: proxy.pid };
  }
}
