import { createHash } from 'node:crypto';

import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { effectiveSpec, type SpecDefaults } from '../api/effective-spec.ts';
import type { GitalyCluster, GitalyClusterStatus } from '../api/generated/gitaly-cluster.ts';
import { grpcPort } from '../api/names.ts';
import type { Reconcile, ReconcileResult } from '../kube/controller-loop.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { KubeError } from '../kube/kube-error.ts';
import { kubeTime } from '../kube/kube-time.ts';
import type { ObjectName } from '../kube/resource-types.ts';
import type { StatusWriter } from '../kube/status-writer.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import { desiredObjects } from '../reconcilers/desired-objects.ts';
import type { ApplyOutcome, ObservedCluster } from '../reconcilers/observed-cluster.ts';
import type { ProxyReport } from '../reconcilers/proxy-report.ts';
import { proxyPart } from '../reconcilers/proxy-objects.ts';
import { refreshIntervalMs } from '../reconcilers/refresh-interval.ts';
import {
  clusterStatus,
  invalidStatus,
  wasInService,
} from '../reconcilers/status/cluster-status.ts';
import { conditionEvents } from '../reconcilers/status/condition-events.ts';
import { podsOf } from '../reconcilers/status/pods-of.ts';
import type { ClusterCaches, WatchedObjects } from './cluster-caches.ts';
import type { ClusterSecrets } from './cluster-secrets.ts';
import type { ObjectApplier } from './object-applier.ts';
import type { ProxyStatusSource } from './proxy-status-source.ts';

/** What reconciling a cluster needs. */
export interface ClusterReconcilerOptions {
  readonly caches: Pick<ClusterCaches, 'cluster' | 'clusters' | 'objectsOf'>;
  readonly applier: ObjectApplier;
  readonly secrets: ClusterSecrets;
  readonly proxies: ProxyStatusSource;
  readonly statuses: StatusWriter<GitalyClusterStatus>;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly defaults: SpecDefaults;
}

/**
 * Brings one cluster to what its spec says, and its status to what is.
 *
 * 1. The cluster is gone: forget it. Kubernetes deletes what it owns.
 * 2. Fill in the defaults. The spec is invalid all the same: say so, and change nothing.
 * 3. Paused or being deleted: go to 6.
 * 4. Generate the Secrets that are missing, and look for those that the spec names.
 * 5. Apply every object, in order; stop at the first that is refused.
 * 6. Ask the proxies, and judge what is observed.
 * 7. Write the status if it changed, and an event for each condition that did.
 * 8. Look again in a few seconds, as the proxies are asked and not watched.
 */
export function clusterReconciler(options: ClusterReconcilerOptions): Reconcile {
  const { caches, clock, statuses } = options;

  async function reconcile(key: string): Promise<ReconcileResult> {
    const name = parseKey(key);
    const cached = caches.cluster(name);
    if (!cached) {
      options.applier.forget(name);
      statuses.keepOnly(caches.clusters());
      return { kind: 'done' };
    }
    const status = statuses.latest(cached);
    const resource = status ? { ...cached, status } : cached;
    const context = contextOf(options, resource);
    if (context.kind === 'invalid') {
      const invalid = invalidStatus(resource, context.message, kubeTime(clock.wallMs()));
      await writeStatus(options, cached, invalid);
      return { kind: 'done' };
    }
    const outcome = await act(options, resource, context.context);
    const observed = await observe(options, context.context);
    const next = clusterStatus(
      { resource, context: context.context, observed, outcome },
      kubeTime(clock.wallMs()),
    );
    await writeStatus(options, cached, next);
    return { kind: 'again', afterMs: refreshIntervalMs(next) };
  }

  return reconcile;
}

/** The queue's key of a cluster. */
export function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}

function parseKey(key: string): ObjectName {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

type ContextOutcome =
  | { readonly kind: 'valid'; readonly context: ClusterContext }
  | { readonly kind: 'invalid'; readonly message: string };

function contextOf(
  { defaults }: ClusterReconcilerOptions,
  resource: GitalyCluster,
): ContextOutcome {
  const { name, namespace = '', uid = '' } = resource.metadata;
  try {
    const spec = effectiveSpec(resource, defaults);
    return { kind: 'valid', context: { name, namespace, uid, spec, digest } };
  } catch (thrown) {
    return { kind: 'invalid', message: errorMessage(thrown) };
  }
}

async function act(
  options: ClusterReconcilerOptions,
  resource: GitalyCluster,
  context: ClusterContext,
): Promise<ApplyOutcome> {
  if (resource.metadata.deletionTimestamp !== undefined) return { kind: 'deleting' };
  if (context.spec.paused) return { kind: 'paused' };
  try {
    return await applyAll(options, resource, context);
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return { kind: 'failed', reason: 'ApplyFailed', message: thrown.message };
  }
}

/**
 * Whether the API server will say the same again until a person acts: it is about the spec or about
 * rights, and belongs into the status. Everything else passes, and is tried again soon.
 */
function isRefusal(thrown: unknown): thrown is KubeError {
  if (!(thrown instanceof KubeError)) return false;
  return thrown.code < 500 && ![408, 409, 429].includes(thrown.code);
}

async function applyAll(
  { applier, caches, secrets }: ClusterReconcilerOptions,
  { status }: GitalyCluster,
  context: ClusterContext,
): Promise<ApplyOutcome> {
  const observed = caches.objectsOf(context);
  const generated = await secrets.ensureGenerated(context, {
    claims: observed.claims,
    wasInService: wasInService(status ?? {}),
  });
  const token = generated.kind === 'refused' ? generated : generated.gitalyToken;
  if (token.kind !== 'known') {
    return { kind: 'failed', reason: 'SecretInvalid', message: token.message };
  }
  const tlsProblem = await secrets.tlsProblem(context);
  if (tlsProblem !== undefined) {
    return { kind: 'failed', reason: 'SecretInvalid', message: tlsProblem };
  }
  for (const object of desiredObjects({ context, observed, gitalyToken: token.text })) {
    const result = await applier.apply(context, object);
    if (result.kind === 'foreign') {
      return { kind: 'failed', reason: 'NameTaken', message: result.message };
    }
  }
  return { kind: 'applied' };
}

async function observe(
  { caches, secrets, proxies }: ClusterReconcilerOptions,
  context: ClusterContext,
): Promise<ObservedCluster> {
  const objects = caches.objectsOf(context);
  const [databaseSecret, report] = await Promise.all([
    secrets.databaseSecret(context),
    askProxies(secrets, proxies, context, objects),
  ]);
  return { ...objects, databaseSecret, report };
}

async function askProxies(
  secrets: ClusterSecrets,
  proxies: ProxyStatusSource,
  context: ClusterContext,
  { pods }: WatchedObjects,
): Promise<ProxyReport> {
  const { current, previous } = await secrets.clientTokens(context);
  if (current.kind === 'unknown') return { kind: 'silent', message: current.message };
  const endpoints = podsOf(context, pods, proxyPart).flatMap(({ metadata, status }) =>
    status?.podIP === undefined || metadata.deletionTimestamp !== undefined
      ? []
      : [{ name: metadata.name, address: hostAndPort(status.podIP) }],
  );
  const report = await proxies.ask(endpoints, current.text);
  // A new token takes a minute or so to get into the proxies' pods.
  if (report.kind !== 'silent' || previous === undefined) return report;
  return proxies.ask(endpoints, previous);
}

function hostAndPort(ip: string): string {
  return ip.includes(':') ? `[${ip}]:${grpcPort}` : `${ip}:${grpcPort}`;
}

async function writeStatus(
  { statuses, events }: ClusterReconcilerOptions,
  resource: GitalyCluster,
  status: GitalyClusterStatus,
): Promise<void> {
  const news = conditionEvents(statuses.latest(resource), status);
  await statuses.write(resource, status);
  const { apiVersion, kind, metadata } = resource;
  const { name, namespace = '', uid = '' } = metadata;
  for (const text of news) {
    await events.record({ apiVersion, kind, namespace, name, uid }, { ...text, action: 'Observe' });
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
