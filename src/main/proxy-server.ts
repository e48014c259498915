import { createHash } from 'node:crypto';
import { systemClock, type Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom, type Random } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import type { ProxyConfig } from '../api/proxy-config.ts';
import { authorizationHeader } from '../rpc/token.ts';
import { adminMethods } from '../proxy/admin/admin-methods.ts';
import { healthMethods } from '../proxy/admin/health-methods.ts';
import { startHttpServer } from '../proxy/admin/http-server.ts';
import { ProxyMetrics } from '../proxy/admin/metrics.ts';
import { repositoryMethods } from '../proxy/admin/repository-methods.ts';
import { serverMethods } from '../proxy/admin/server-methods.ts';
import type { RelayContext } from '../proxy/relay/context.ts';
import { Dispatcher } from '../proxy/relay/dispatcher.ts';
import { Forwarder } from '../proxy/relay/forwarder.ts';
import { startGrpcListener } from '../proxy/relay/grpc-listener.ts';
import { SidechannelRegistry } from '../proxy/relay/sidechannel-registry.ts';
import { voteMethods } from '../proxy/relay/vote-service.ts';
import { RepairLoop } from '../proxy/replication/repair-loop.ts';
import { Settler } from '../proxy/replication/settler.ts';
import { lookupMethod } from '../proxy/routing/method-table.ts';
import { replicaPath } from '../proxy/routing/replica-path.ts';
import type { ControlStore } from '../proxy/store/control-store.ts';
import { WriteRegistry } from '../proxy/transactions/write-registry.ts';
import { Storage } from '../proxy/upstream/storage.ts';
import { StorageDirectory, VirtualStorage } from '../proxy/upstream/storage-directory.ts';
import { Membership } from '../proxy/view/membership.ts';
import { RepositoryView } from '../proxy/view/repository-view.ts';
import { headerField, type HeaderField } from '../proxy/wire/hpack/header-field.ts';
import { connectTransport, createReadBuffer } from '../proxy/wire/socket-transport.ts';
import { parseAddress, type Address } from '../rpc/address.ts';

export interface ProxyServerOptions {
  readonly config: Pick<ProxyConfig, 'grpcListen' | 'httpListen' | 'virtualStorages'>;
  /** This process among all proxies, now and ever: a restarted proxy is another one. */
  readonly owner: string;
  /** Is stopped with the proxy. */
  readonly store: ControlStore;
  /** Tokens that clients may sign with. */
  clientTokens(): readonly string[];
  /** The token that the storages expect. */
  gitalyToken(): string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** See {@link Membership}. */
  readonly leaseMs?: number;
}

export interface ProxyServer extends Stoppable {
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** How long calls may go on after the proxy was told to stop. */
const stopLimitMs = 45_000;
const connectLimitMs = 3000;

/** Puts a proxy together and starts it. Resolves when it serves. */
export async function startProxyServer(options: ProxyServerOptions): Promise<ProxyServer> {
  const { config, owner, store, logger, gitalyToken, clientTokens } = options;
  const { clock = systemClock, random = systemRandom } = options;
  const scope = new Scope();
  scope.own(store);
  try {
    const view = new RepositoryView({ store, owner, clock, logger });
    const membership = new Membership({
      store,
      owner,
      clock,
      logger,
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    });
    const readBuffer = createReadBuffer();
    const writes = new WriteRegistry();
    const sidechannels = new SidechannelRegistry({ clock, logger });
    const authorization = tokenField(gitalyToken, clock);
    const votes = new Dispatcher({
      localMethods: voteMethods(writes),
      forward: async (call) => call.fail({ code: 12, message: 'only votes are taken here' }),
      tokens: () => [],
      onEnded() {},
      clock,
    });
    const storages = new StorageDirectory(
      config.virtualStorages.map(
        ({ name, storages: members, ...policy }) =>
          new VirtualStorage(
            name,
            policy,
            members.map(
              (member) =>
                new Storage({
                  ...member,
                  connect: (address, signal) =>
                    connectTransport({
                      address: readAddress(address),
                      timeoutMs: connectLimitMs,
                      signal,
                      clock,
                      readBuffer,
                    }),
                  authorization,
                  backchannel: {
                    onRequest: (stream, fields, endStream) =>
                      votes.onRequest(stream, fields, endStream, undefined),
                  },
                  onSidechannel: (id, stream) => sidechannels.onOpened(id, stream),
                  clock,
                  random,
                  logger,
                }),
            ),
          ),
      ),
      authorization,
    );
    const metrics = new ProxyMetrics(storages);
    const repair = {
      view,
      owner,
      clock,
      storages,
      gitalyToken,
      logger,
      isAbandoned: membership.isAbandoned.bind(membership),
    };
    const settler = new Settler({ ...repair, store });
    const context: RelayContext = {
      owner,
      store,
      view,
      membership,
      storages,
      writes,
      sidechannels,
      metrics,
      clock,
      random,
      logger,
      settleAbandoned: (record) => settler.settle(record),
    };
    const forwarder = new Forwarder({
      context,
      replicaPathOf: (id, relativePath) => replicaPath(id, relativePath, sha256),
    });
    let stopping = false;
    const dispatcher = new Dispatcher({
      localMethods: [
        ...healthMethods(() => !stopping),
        ...repositoryMethods(context),
        ...serverMethods(storages),
        ...adminMethods(context),
      ],
      forward: (call) => forwarder.forward(call),
      tokens: clientTokens,
      onEnded: (call, code) => {
        const method = call.head.path;
        const seconds = (clock.monotonicMs() - call.startedMs) / 1000;
        const { known } = lookupMethod(method);
        metrics.callEnded({ method, known, code, seconds });
        logger.info(
          { method, code, ms: Math.round(seconds * 1000), correlationId: call.head.correlationId },
          'call ended',
        );
      },
      clock,
    });

    await view.start();
    scope.own(view);
    await membership.start();
    scope.own(membership);
    scope.own(storages).start();
    const loop = new RepairLoop({ ...repair, store, membership, settler, random, repair });
    scope.own(loop).start();
    const listener = scope.own(
      await startGrpcListener({
        ...hostAndPort(config.grpcListen),
        dispatcher,
        clock,
        logger,
        readBuffer,
        stopLimitMs,
      }),
    );
    const http = scope.own(
      await startHttpServer({
        ...hostAndPort(config.httpListen),
        notReady: () => whyNotReady(stopping, storages, view),
        metrics: metrics.registry,
      }),
    );
    logger.info({ owner, grpcPort: listener.port, httpPort: http.port }, 'proxy serves');
    return {
      grpcPort: listener.port,
      httpPort: http.port,
      stop: async () => {
        stopping = true;
        await listener.stop();
        await scope.stop();
      },
    };
  } catch (error) {
    await scope.stop();
    throw error;
  }
}

/** Unready proxies get no new connections; one that has heard of no storage cannot serve a call. */
function whyNotReady(
  stopping: boolean,
  storages: StorageDirectory,
  view: RepositoryView,
): string | undefined {
  if (stopping) return 'the proxy is stopping';
  const heard = storages.all.some(({ storages: members }) =>
    members.some(({ health }) => health.kind === 'healthy'),
  );
  if (heard) return undefined;
  return view.connected
    ? 'no storage can be reached'
    : 'neither a storage nor the database can be reached';
}

/** A token lasts for half a minute: one a second is enough, and saves signing each call. */
function tokenField(token: () => string, clock: Clock): () => HeaderField {
  let second = -1;
  let secret = '';
  let field = headerField('authorization', '');
  return () => {
    const now = Math.floor(clock.wallMs() / 1000);
    if (now !== second || secret !== token()) {
      second = now;
      secret = token();
      field = headerField('authorization', authorizationHeader(secret, clock.wallMs()));
    }
    return field;
  };
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/** @throws Error with the form to write */
function readAddress(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed.kind === 'invalid') throw new Error(parsed.message);
  return parsed.address;
}

/** Port 0 stands for any free one. @throws Error with the form to write */
function hostAndPort(listen: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined) return { host, port: Number(match?.[3]) };
  throw new Error(`"${listen}" is no listen address: use host:port, like 0.0.0.0:8075`);
}
