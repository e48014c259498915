import type { EffectiveVirtualStorage } from '../api/effective-spec.ts';
import type { StatefulSet } from '../api/kubernetes.ts';
import { listOf } from '../base/list-of.ts';
import { decommissionedStorages, type ClusterContext } from './cluster-context.ts';
import type { ObservedCluster } from './observed-cluster.ts';
import { proxyConfigChecksum, proxyConfigChecksumKey } from './proxy-deployment.ts';
import { proxyPart } from './proxy-objects.ts';
import { reportOf } from './proxy-report.ts';
import { podsOf } from './status/pods-of.ts';
import { storageTransport } from './storage-transport.ts';

/**
 * Scaling down: a StatefulSet that is made smaller takes its last storages away, whatever they hold.
 *
 * 1. The spec asks for fewer storages than there are. The last ones are decommissioned: proxies that are configured so
 *    put nothing new there, and move the replicas elsewhere. Until then nothing else changes.
 * 2. They are empty when no proxy runs that is configured otherwise, and no record has a replica there. They stay so.
 * 3. The StatefulSet gets smaller, and the proxies forget them. The claims stay, with whatever is on the volumes.
 *
 * Nothing is remembered: an operator that starts looks again. If the spec asks for more again, they are used again.
 */
export type ScaleDown =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'moving';
      /** What is waited for, for a person. */
      readonly message: string;
    }
  /** The storages that are decommissioned are empty. */
  | { readonly kind: 'emptied' };

/**
 * The virtual storage with all storages that it has for now.
 *
 * @param set its StatefulSet, if there is one
 * @param isEmptied whether the storages that the spec does not ask for were found empty
 */
export function withDecommissioned(
  virtualStorage: EffectiveVirtualStorage,
  set: StatefulSet | undefined,
  isEmptied: boolean,
): EffectiveVirtualStorage {
  const decommissioned = (set?.spec.replicas ?? 0) - virtualStorage.storages;
  if (decommissioned <= 0 || isEmptied) return virtualStorage;
  return {
    ...virtualStorage,
    storages: virtualStorage.storages + decommissioned,
    decommissioned,
  };
}

/**
 * How far the virtual storage is.
 *
 * @param observed pods that are no newer than the report: a proxy that went in between might have made a repository
 */
export function scaleDownOf(
  context: ClusterContext,
  virtualStorage: EffectiveVirtualStorage,
  observed: Pick<ObservedCluster, 'pods' | 'report'>,
): ScaleDown {
  const names = decommissionedStorages(context, virtualStorage).map(({ name }) => name);
  if (names.length === 0) return { kind: 'none' };
  const { pods, report } = observed;
  const are = names.length === 1 ? 'is' : 'are';
  const moving = (what: string): ScaleDown => ({
    kind: 'moving',
    message: `${listOf(names)} ${are} to go: ${what}`,
  });
  const checksum = proxyConfigChecksum(context, storageTransport(context, pods));
  const unaware = podsOf(context, pods, proxyPart).filter(
    ({ metadata }) => metadata.annotations?.[proxyConfigChecksumKey] !== checksum,
  );
  if (unaware.length > 0) {
    return moving(`${listOf(unaware.map(({ metadata }) => metadata.name))} must be replaced first`);
  }
  if (report.kind === 'silent') return moving('no proxy says what is there');
  if (!report.storeReachable) return moving('the proxies cannot reach their database');
  const storages = reportOf(report, virtualStorage.name)?.storages ?? [];
  const counts = names.map((name) => byStorage(storages, name)?.replicas);
  if (counts.includes(undefined)) return moving('the proxies do not know all of them yet');
  const left = counts.reduce<number>((sum, count = 0) => sum + count, 0);
  return left > 0 ? moving(`${left} replicas are to be moved elsewhere`) : { kind: 'emptied' };
}

function byStorage<T extends { readonly name: string }>(storages: readonly T[], name: string) {
  return storages.find((storage) => storage.name === name);
}
