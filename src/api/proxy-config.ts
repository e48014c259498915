/**
 * What the operator tells a proxy, as JSON in a mounted file. Secrets are not in it: they are files
 * whose paths it names, so that they can be rotated without a new configuration.
 */
export interface ProxyConfig {
  /** Address that gRPC clients connect to, `host:port`. */
  readonly grpcListen: string;
  /** Address of `/livez`, `/readyz` and `/metrics`, `host:port`. */
  readonly httpListen: string;
  /** Folder with one file for each token that clients may sign with. At least one. */
  readonly clientTokenDir: string;
  /** File with the token that the Gitaly storages expect. */
  readonly gitalyTokenFile: string;
  /**
   * Folder with the database's coordinates, one file each, as CloudNativePG names them: either
   * `uri`, or `host`, `port`, `dbname`, `username` and `password`.
   */
  readonly databaseDir: string;
  readonly virtualStorages: readonly VirtualStorageConfig[];
  readonly stop: ProxyStopPolicy;
}

/** How a proxy that is told to stop takes its leave. */
export interface ProxyStopPolicy {
  /**
   * For so long it goes on as before, new connections included, and only says that it is not ready:
   * until everybody who sends clients to proxies has heard of that.
   */
  readonly lameDuckMs: number;
  /** Then clients are sent elsewhere, and their calls may go on for so long. What is left is cut. */
  readonly callsMs: number;
}

/** A storage name that GitLab knows, and the Gitaly storages behind it. */
export interface VirtualStorageConfig {
  readonly name: string;
  /** How many storages hold a new repository. */
  readonly replicationFactor: number;
  /** A write is acknowledged when at least this many replicas hold it. */
  readonly minInSyncReplicas: number;
  readonly storages: readonly StorageConfig[];
}

/** One Gitaly storage. */
interface StorageConfig {
  /** Its name in Gitaly's own configuration. Unique in its virtual storage. */
  readonly name: string;
  /** `tcp://host:port`, `tls://host:port` or `unix:/path`. */
  readonly address: string;
}
