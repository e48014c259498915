import type { EffectiveVolume } from '../api/effective-spec.ts';
import type { PersistentVolumeClaim, StatefulSet, VolumeClaim } from '../api/kubernetes.ts';
import { compareQuantities } from '../api/quantity.ts';

/** A claim for a volume that one pod at a time may use. */
export function volumeClaim(
  name: string,
  { size, storageClassName }: EffectiveVolume,
  labels: Readonly<Record<string, string>>,
): VolumeClaim {
  return {
    metadata: { name, labels },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(storageClassName !== undefined && { storageClassName }),
      resources: { requests: { storage: size } },
    },
  };
}

/**
 * The claim templates that a StatefulSet has already. Kubernetes refuses every change to them, so
 * they stay as they were made, and the claims themselves grow: see {@link growClaim}.
 */
export function carriedOverClaims(
  current: StatefulSet | undefined,
): readonly VolumeClaim[] | undefined {
  return current?.spec.volumeClaimTemplates.map(({ metadata, spec }) => ({
    metadata: { name: metadata.name, ...(metadata.labels && { labels: metadata.labels }) },
    spec: {
      ...(spec.accessModes && { accessModes: spec.accessModes }),
      ...(spec.storageClassName !== undefined && { storageClassName: spec.storageClassName }),
      resources: { requests: { storage: spec.resources.requests.storage } },
    },
  }));
}

/** What to apply so that a claim asks for `size`, or undefined if it asks for that or more. */
export function growClaim(
  claim: PersistentVolumeClaim,
  size: string,
): PersistentVolumeClaim | undefined {
  if (compareQuantities(claim.spec.resources.requests.storage, size) >= 0) return undefined;
  const { name, namespace } = claim.metadata;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    spec: { resources: { requests: { storage: size } } },
  };
}
