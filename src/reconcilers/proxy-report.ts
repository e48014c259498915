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
      /** The proxies that answered and reach the database. */
      readonly inTouch: readonly string[];
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
  /** Other proxies in touch that find it healthy where this one does not, or the other way round. */
  readonly disputedBy?: readonly string[];
  readonly replicas: number;
  readonly inSync: number;
  readonly primaries: number;
  /** Of the replicas that are not in sync: those that leave, or are to replace others. Default 0. */
  readonly moving?: number;
  /** Absent if nobody knows. */
  readonly zone?: string;
  /** Present while somebody wants the storage drained. */
  readonly drain?: DrainReport;
}

/** How far a storage is from having no clients. */
export interface DrainReport {
  readonly requesters: readonly DrainRequester[];
  /** Live proxies that have not taken note yet: they may still send clients there. */
  readonly unaware: readonly string[];
  /** Calls that clients wait for, by class. */
  readonly calls: readonly DrainingCalls[];
  /** No live proxy is unaware, and no such call is left. */
  readonly drained: boolean;
}

/** Who wants a storage drained. */
export interface DrainRequester {
  /** `operator`, or what a person has given. */
  readonly requester: string;
  /** For people; may be empty. */
  readonly reason: string;
  /** Milliseconds since 1970-01-01 UTC, by the clock of the proxies' database. */
  readonly requestedMs: number;
}

/** Calls of one class on a storage. */
interface DrainingCalls {
  /** `unary`, `stream`, `fetch` or `push`. */
  readonly class: string;
  readonly count: number;
  readonly oldestMs: number;
  /** May be empty. */
  readonly oldestRepository: string;
}

/** The virtual storage's part of a report, if the proxy knows it. */
export function reportOf(report: ProxyReport, name: string): VirtualStorageReport | undefined {
  if (report.kind === 'silent') return undefined;
  return report.virtualStorages.find((virtualStorage) => virtualStorage.name === name);
}
