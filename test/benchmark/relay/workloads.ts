import type { LoadCommand, Work } from './load-client.ts';

/** Something that is measured, and how good the proxy has to be in it. */
export interface Workload {
  /** What it is called in tables. */
  readonly name: string;
  readonly work: Work;
  /** Calls at a time. */
  readonly concurrency: number;
  /** Downloads beside it. Then CPU is not compared: most of it is theirs. */
  readonly bulk?: number;
  /** The proxy's store. Default `postgres`; reads do not ask it. */
  readonly store?: 'postgres' | 'memory';
  readonly bar: Bar;
}

/** Ratios to the Go relay: throughput at least, CPU and 99th percentile at most. */
export interface Bar {
  readonly throughput?: number;
  readonly cpu?: number;
  readonly p99?: number;
}

const streamBar: Bar = { throughput: 1.3, cpu: 0.5 };
const writeBar: Bar = { throughput: 1.5, cpu: 0.5 };
const cloneBar: Bar = { throughput: 1.1, cpu: 0.9 };

const read = { name: 'unary read', work: 'read' } as const;
const download = { name: 'server stream', work: 'download', bar: streamBar } as const;
const upload = { name: 'client stream', work: 'upload', bar: streamBar } as const;
const write = {
  name: 'write to three replicas',
  work: 'write',
  store: 'memory',
  bar: writeBar,
} as const;
const recordedWrite = {
  name: 'write, recorded in PostgreSQL',
  work: 'write',
  store: 'postgres',
  bar: {},
} as const;
const clone = { name: 'sidechannel clone', work: 'clone', bar: cloneBar } as const;

export const workloads: readonly Workload[] = [
  { ...read, concurrency: 1, bar: { throughput: 1.3, cpu: 0.5 } },
  { ...read, concurrency: 16, bar: { throughput: 2, cpu: 0.25 } },
  { ...read, concurrency: 64, bar: { throughput: 2, cpu: 0.25 } },
  { ...download, concurrency: 1 },
  { ...download, concurrency: 4 },
  { ...upload, concurrency: 1 },
  { ...upload, concurrency: 4 },
  { ...write, concurrency: 1 },
  { ...write, concurrency: 16 },
  { ...recordedWrite, concurrency: 1 },
  { ...recordedWrite, concurrency: 16 },
  { ...clone, concurrency: 1 },
  { ...clone, concurrency: 4 },
  {
    name: 'unary read beside 4 bulk streams',
    work: 'read',
    concurrency: 4,
    bulk: 4,
    bar: { p99: 1 },
  },
];

/** How long and how much. */
export interface Extent {
  /** Of each: an odd number has a median. */
  readonly rounds: number;
  /** How long calls are begun in one round. */
  readonly ms: number;
  readonly streamBytes: number;
}

/** Repositories that exist for the load. */
export const repositories = 64;

/** Calls share connections as they do at GitLab: a few for each of its processes. */
const maxConnections = 8;

/** The load client's command for one round of a workload. */
export function commandOf(
  workload: Workload,
  { ms, streamBytes }: Extent,
): Omit<LoadCommand, 'target' | 'token' | 'storage'> {
  const { work, concurrency, bulk = 0 } = workload;
  const connections = Math.min(maxConnections, concurrency + bulk);
  return { work, concurrency, connections, repositories, ms, streamBytes, bulk };
}
