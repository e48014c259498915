import { createHash, randomUUID } from 'node:crypto';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { localMethods } from '../proxy/admin/local-methods.ts';
import { DrainWatch } from '../proxy/drain/drain-watch.ts';
import { ProxyMetrics } from '../proxy/admin/metrics.ts';
import { logCall } from '../proxy/relay/call-log.ts';
import type { StorageConfig } from '../api/proxy-config.ts';
import type { ServingState } from '../proxy/admin/serving-state.ts';
import type { RelayContext } from '../proxy/relay/context.ts';
import { Dispatcher } from '../proxy/relay/dispatcher.ts';
import { Forwarder } from '../proxy/relay/forwarder.ts';
import { endDecisions } from '../proxy/relay/lease-lapse.ts';
import type { ServerCall } from '../proxy/relay/server-call.ts';
import { SidechannelRegistry } from '../proxy/relay/sidechannel-registry.ts';
import { voteMethods } from '../proxy/relay/vote-service.ts';
import { DiskWatch } from '../proxy/placement/disk-watch.ts';
import { SettingsWatch } from '../proxy/placement/settings-watch.ts';
import { RepairLoop } from '../proxy/replication/repair-loop.ts';
import { Settler } from '../proxy/replication/settler.ts';
import { VolumeGuard } from '../proxy/replication/volume-guard.ts';
import { replicaPath } from '../proxy/routing/replica-path.ts';
import type { ControlStore } from '../proxy/store/control-store.ts';
import { StoreOutage } from '../proxy/store/store-outage.ts';
import { WriteRegistry } from '../proxy/transactions/write-registry.ts';
import { Storage } from '../proxy/upstream/storage.ts';
import { StorageDirectory, VirtualStorage } from '../proxy/upstream/storage-directory.ts';
import { defaultVerificationPolicy } from '../proxy/verification/policy.ts';
import { verifyReplicas } from '../proxy/verification/verifier.ts';
import { VerificationLoop } from '../proxy/verification/verification-loop.ts';
import { Membership } from '../proxy/view/membership.ts';
import { RepositoryView } from '../proxy/view/repository-view.ts';
import { connectTransport, createReadBuffer } from '../proxy/wire/socket-transport.ts';
import { parseAddress, type Address } from '../rpc/address.ts';
import type { ProxyServerOptions } from './proxy-server-options.ts';

const connectLimitMs = 3000;
/** Health checks, which anyone may make. Each may keep 64 KiB for half a minute. */
const maxOpenWithoutToken = 1000;

/** The half of a proxy that faces the storages. It needs no store. */
export interface StorageSide {
  readonly storages: StorageDirectory;
  readonly writes: WriteRegistry;
  readonly sidechannels: SidechannelRegistry;
  readonly metrics: ProxyMetrics;
  readonly readBuffer: ReturnType<typeof createReadBuffer>;
}

/** Creates the storages of the configuration and what their backchannels lead to. Starts nothing. */
export function createStorages(options: ProxyServerOptions): StorageSide {
  const { config, logger, gitalyTokens: tokens, certificate, storageCa } = options;
  const { clock = systemClock, random = systemRandom } = options;
  const readBuffer = createReadBuffer();
  const writes = new WriteRegistry();
  const sidechannels = new SidechannelRegistry({ clock, logger });
  const createStorage = ({ address: where, decommissioned = false, ...member }: StorageConfig) =>
    new Storage({
      ...member,
      address: where,
      isDecommissioned: decommissioned,
      connect: (address, signal, onVerified) =>
        connectTransport({
          address: readAddress(address),
          timeoutMs: connectLimitMs,
          signal,
          clock,
          readBuffer,
          // What was told to a storage that was given up must not reach it later.
          resetsOnDestroy: true,
          tls: { ...(storageCa && { ca: storageCa() }), onVerified },
        }),
      tokens,
      backchannel: {
        onRequest: (stream, fields, endStream) =>
          votes.onRequest(stream, fields, endStream, undefined),
      },
      onSidechannel: (id, stream) => sidechannels.onOpened(id, stream),
      clock,
      random,
      logger,
    });
  const virtualStorages = config.virtualStorages.map(
    ({ name, storages: members, ...policy }) =>
      new VirtualStorage(name, policy, members.map(createStorage)),
  );
  const storages = new StorageDirectory(virtualStorages);
  const metrics = new ProxyMetrics(storages, certificate);
  const votes = new Dispatcher({
    localMethods: voteMethods(writes, { metrics, clock }),
    forward: async (call) => call.fail({ code: 12, message: 'only votes are taken here' }),
    tokens: () => [],
    onEnded() {},
    clock,
  });
  return { storages, writes, sidechannels, metrics, readBuffer };
}

/** The half of a proxy that faces clients and the store. */
export interface Relay {
  readonly dispatcher: Dispatcher;
  readonly view: RepositoryView;
  readonly membership: Membership;
  readonly drains: DrainWatch;
  readonly settings: SettingsWatch;
  readonly disks: DiskWatch;
  readonly repairLoop: RepairLoop;
  readonly verificationLoop: VerificationLoop;
  readonly volumes: VolumeGuard;
}

/** Creates what serves calls. Starts nothing. */
export function createRelay(
  options: ProxyServerOptions,
  { storages, writes, sidechannels, metrics }: StorageSide,
  store: ControlStore,
  serving: ServingState,
): Relay {
  const { owner, logger, callLogger = logger, clientTokens, leaseMs, lateLimitMs } = options;
  const { parallelRepairs: parallel, recheckAfterMs } = options;
  const isTransitioning = options.config.clientAuthTransitioning ?? false;
  const { clock = systemClock, random = systemRandom } = options;
  const outage = new StoreOutage({ clock, logger });
  const common = { store, owner, clock, logger, outage };
  const view = new RepositoryView(common);
  const membership = new Membership({
    ...common,
    ...(leaseMs === undefined ? {} : { leaseMs }),
    onLapse: (leftMs) => endDecisions(leftMs, { storages, writes, logger }),
  });
  const repair = {
    ...common,
    view,
    membership,
    storages,
    writes,
  };
  const settler = new Settler({
    ...repair,
    ...(recheckAfterMs === undefined ? {} : { recheckAfterMs }),
  });
  const verifier = { ...repair, metrics };
  const context: RelayContext = {
    ...common,
    view,
    membership,
    storages,
    writes,
    sidechannels,
    metrics,
    random,
    ...(lateLimitMs === undefined ? {} : { lateLimitMs }),
    replicaPathOf: (id, relativePath) => replicaPath(id, relativePath, sha256),
    settleAbandoned: (record) => settler.settle(record),
  };
  const forwarder = new Forwarder(context);
  const onEnded = (call: ServerCall, code: number) => {
    const ms = clock.monotonicMs() - call.startedMs;
    metrics.callEnded(call, code, ms / 1000);
    logCall(call, code, ms, callLogger);
  };
  const volumes = new VolumeGuard({ ...common, view, storages, metrics, random });
  const verificationLoop = new VerificationLoop({
    ...common,
    queue: store.verifications,
    verify: (record) => verifyReplicas(record, verifier),
    membership,
    policy: options.config.verification ?? defaultVerificationPolicy,
  });
  const local = localMethods(context, serving, volumes, verificationLoop);
  metrics.addLocalMethods(local.map(({ path }) => path));
  const dispatcher = new Dispatcher({
    localMethods: local,
    forward: (call) => forwarder.forward(call),
    tokens: clientTokens,
    isTransitioning,
    onStarted: (call) => metrics.callStarted(call),
    maxOpenWithoutToken,
    onEnded,
    onTokenChecked: (outcome) => metrics.tokenChecked(outcome, !isTransitioning),
    newCorrelationId: randomUUID,
    clock,
  });
  const drains = new DrainWatch({
    ...common,
    board: store.drains,
    storages,
    runningCalls: () => dispatcher.running,
    onCut: (callClass) => metrics.cutForDrain(callClass),
  });
  const { weights, zones } = store;
  const settings = new SettingsWatch({ ...common, weights, zones, storages });
  const disks = new DiskWatch({ ...common, storages });
  const repairLoop = new RepairLoop({
    ...repair,
    settler,
    random,
    repair,
    metrics,
    ...(parallel === undefined ? {} : { parallel }),
  });
  return {
    dispatcher,
    view,
    membership,
    drains,
    settings,
    disks,
    repairLoop,
    verificationLoop,
    volumes,
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
