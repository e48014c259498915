/**
 * What the operator tells a proxy, as JSON in a mounted file. Secrets are not in it: they are files
 * whose paths it names, so that they can be rotated without a new configuration.
 */
export interface ProxyConfig {
  /** Address for gRPC in plain text, `host:port`. One of the three is needed; all are possible. */
  readonly grpcListen?: string;
  /** Address for gRPC with TLS, `host:port`. Needs {@link tls}. */
  readonly grpcTlsListen?: string;
  /** Unix socket for gRPC in plain text, `unix:/path`. */
  readonly grpcSocket?: string;
  /** Mode of the socket's file, in octal digits. Default `0600`. */
  readonly grpcSocketMode?: string;
  /** What is shown at `grpcTlsListen`: PEM files, read again when they change. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  /** Address of `/livez`, `/readyz` and `/metrics`, `host:port`. */
  readonly httpListen: string;
  /** Folder with one file for each token that clients may sign with. At least one. */
  readonly clientTokenDir: string;
  /**
   * Whether a call with a wrong token, or with none, is let through and only counted, as long as not
   * every client has its token. Default false.
   */
  readonly clientAuthTransitioning?: boolean;
  /**
   * Folder with one file for each token that a Gitaly storage may have been started with. At least
   * one; more while they are being rotated.
   */
  readonly gitalyTokenDir: string;
  /**
   * File with the certificates, in PEM, that the ones of storages at `tls://` addresses have to be
   * signed by. Read again when it changes. Default: the authorities that come with Node.js.
   */
  readonly storageCaFile?: string;
  /**
   * Folder with the database's coordinates, one file each, as CloudNativePG names them: either
   * `uri`, or `host`, `port`, `dbname`, `username` and `password`.
   */
  readonly databaseDir: string;
  /**
   * How many processes serve, 1 to 8; each uses one core. Default 1. The environment's `PROXY_WORKERS`
   * goes before this.
   */
  readonly workers?: number;
  readonly virtualStorages: readonly VirtualStorageConfig[];
  readonly stop: ProxyStopPolicy;
  /** Default: every 7 days, with 10 calls a second. */
  readonly verification?: VerificationConfig;
}

/** How replicas are compared with one another in the background. */
interface VerificationConfig {
  /** From one comparison of a repository to the next; 0: only where somebody asks for it. */
  readonly intervalMs: number;
  /** Calls that a storage gets for that in a second, from all proxies together. */
  readonly callsPerSecond: number;
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
export interface StorageConfig {
  /** Its name in Gitaly's own configuration. Unique in its virtual storage. */
  readonly name: string;
  /** `tcp://host:port`, `tls://host:port` or `unix:/path`. A certificate has to be for `host`. */
  readonly address: string;
  /** Whether it is to hold nothing: its replicas move to the others. Default false. */
  readonly decommissioned?: boolean;
}
