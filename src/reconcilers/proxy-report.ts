/** What the proxies say of a cluster. */
export type ProxyReport =
  | {
      readonly kind: 'silent';
      /** Why none answered, for a person. */
      readonly message: string;
    }
  | {
      readonly kind: 'answered';
      /** The proxy that answered. */
      readonly proxy: string;
      /** False: writes are refused, and the figures are those of the last contact. */
      readonly storeReachable: boolean;
      readonly virtualStorages: readonly VirtualStorageReport[];
    };

/** Repositories counted by how well they are replicated; each is in exactly one class. */
export interface RepositoryCounts {
  readonly repositories: number;
  readonly fullyReplicated: number;
  readonly degraded: number;
  readonly atRisk: number;
  readonly unavailable: number;
  /** Only a person can tell which of their replicas is right. They are in one of the classes too. */
  readonly undecided: number;
}

/** What a proxy says of a virtual storage. */
export interface VirtualStorageReport extends RepositoryCounts {
  readonly name: string;
  readonly storages: readonly StorageReport[];
}

/** What a proxy says of a storage. */
export interface StorageReport {
  readonly name: string;
  readonly healthy: boolean;
  /** Why it is not healthy; empty if it is. */
  readonly healthReason: string;
  readonly replicas: number;
  readonly inSync: number;
  readonly primaries: number;
}

/** The virtual storage's part of a report, if the proxy knows it. */
export function reportOf(report: ProxyReport, name: string): VirtualStorageReport | undefined {
  if (report.kind === 'silent') return undefined;
  return report.virtualStorages.find((virtualStorage) => virtualStorage.name === name);
}
