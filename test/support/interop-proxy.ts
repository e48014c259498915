import { systemClock } from '../../src/base/clock.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { eventually } from './eventually.ts';
import { startInProcessProxy } from './in-process-proxy.ts';
import { LineProcess } from './line-process.ts';
import { ownLoopback } from './own-loopback.ts';

/** What the clients of an {@link InteropProxy} sign with. */
export const interopToken = 'token of the clients';
/** The repository that is there. */
export const interopRepository = { storageName: 'default', relativePath: 'interop.git' };
/** A read, and a write: a push that casts no votes has changed nothing. */
export const interopMethods = {
  read: '/gitaly.CommitService/CheckObjectsExist',
  write: '/gitaly.SSHService/SSHReceivePack',
} as const;

/** The one storage, for a proxy's configuration. */
export const interopStorage = 'gitaly-0';

export interface InteropServerOptions {
  /** Default: any free one of {@link ownLoopback}. */
  readonly address?: string;
  /** Calls that it takes on a connection. Default: any number. */
  readonly maxStreams?: number;
}

/** Starts the program `interop` of test/go in place of a storage. Its first line is its address. */
export function startInteropServer(
  program: string,
  { address = `${ownLoopback}:0`, maxStreams = 0 }: InteropServerOptions = {},
): Promise<LineProcess> {
  const args = ['server', '-address', address, '-max-streams', String(maxStreams)];
  return LineProcess.start(program, args);
}

/** Records the repository that the calls of the interop tests name. */
async function createInteropRepository(store: ControlStore): Promise<void> {
  await store.create({
    id: await store.nextRepositoryId(),
    virtualStorage: interopRepository.storageName,
    relativePath: interopRepository.relativePath,
    replicaPath: '@cluster/repositories/6b/86/1',
    epoch: 1n,
    lsn: 0n,
    primary: interopStorage,
    replicas: [{ storage: interopStorage, lsn: 0n, role: 'voter' }],
    intents: [],
  });
}

/** A proxy in this process, and behind it the program `interop` of test/go in place of a storage. */
export class InteropProxy implements Stoppable {
  readonly port: number;
  readonly #scope: Scope;
  readonly #program: string;
  #server: LineProcess;

  private constructor(port: number, scope: Scope, program: string, server: LineProcess) {
    this.port = port;
    this.#scope = scope;
    this.#program = program;
    this.#server = server;
  }

  /** @param program the built program */
  static async start(
    program: string,
    options: Pick<InteropServerOptions, 'maxStreams'> & {
      /** Calls that the proxy takes on a connection. Default: as many as it usually does. */
      readonly maxCalls?: number;
    } = {},
  ): Promise<InteropProxy> {
    const scope = new Scope();
    const server = await startInteropServer(program, options);
    const store = createMemoryStore({ clock: systemClock });
    await createInteropRepository(store);
    const storages = [{ name: interopStorage, address: `tcp://${server.firstLine}` }];
    const proxy = scope.own(
      await startInProcessProxy({
        storages,
        minInSyncReplicas: 1,
        store,
        clientToken: interopToken,
        gitalyToken: 'token of the storages',
        ...(options.maxCalls !== undefined && {
          clientLimits: { maxConcurrentStreams: options.maxCalls },
        }),
      }),
    );
    const interop = new InteropProxy(proxy.grpcPort, scope, program, server);
    const readyUrl = `http://127.0.0.1:${proxy.httpPort}/readyz`;
    await eventually('the proxy is ready', async () => (await fetch(readyUrl)).ok);
    return interop;
  }

  /** The storage's process dies, and another one begins at its address. */
  async restartServer(): Promise<void> {
    await this.#server.kill();
    this.#server = await startInteropServer(this.#program, { address: this.#server.firstLine });
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
    await this.#server.stop();
  }
}
