import { Counter, type Registry } from 'prom-client';
import { statusCodes } from '../../rpc/status.ts';
import { grpcCodeName } from '../relay/grpc-code-name.ts';
import type { ServerCall } from '../relay/server-call.ts';
import { lookupMethod, splitMethod, type MethodInfo } from '../routing/method-table.ts';
import { BucketHistogram, Buckets } from './buckets.ts';
import { Tally } from './tally.ts';

const secondsBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 10, 30, 60, 300, 1500];
/** Clients make up their names and call sites: further combinations count as `other`. */
const maxClientSeries = 5000;
/** What the metrics of Gitaly say for what they do not know. */
const unknown = 'unknown';

/** What is counted of one method. */
interface MethodCounts {
  readonly service: string;
  readonly method: string;
  readonly info: MethodInfo | undefined;
  started: number;
  /** By status code. */
  readonly handled: number[];
  readonly seconds: Buckets;
}

/**
 * Counts calls. On the path of each call these are plain numbers; their metrics, which are named
 * like those of Gitaly and Praefect, are made of them when they are asked for.
 *
 * Only methods that are known, or that the proxy answers itself, have series of their own: what a
 * client makes up must not become a label.
 */
export class CallStatistics {
  readonly #methods = new Map<string, MethodCounts>();
  readonly #unknown = newCounts(unknown, unknown, undefined);
  readonly #local = new Set<string>();
  readonly #clients: Tally;

  constructor(registry: Registry) {
    this.#clients = new Tally(
      {
        name: 'gitaly_service_client_requests_total',
        help: 'Calls that have ended, by who made them.',
        labelNames: [
          'grpc_service',
          'grpc_method',
          'client_name',
          'call_site',
          'grpc_code',
          'deadline_type',
          'auth_version',
          'method_operation',
          'method_scope',
        ],
      },
      registry,
    );
    this.#register(registry);
  }

  /** Methods that the proxy answers itself. */
  addLocal(paths: Iterable<string>): void {
    for (const path of paths) this.#local.add(path);
  }

  started({ head }: ServerCall): void {
    this.#of(head.path).started += 1;
  }

  ended(call: ServerCall, code: number, seconds: number): void {
    const counts = this.#of(call.head.path);
    const known = code in counts.handled ? code : statusCodes.UNKNOWN;
    counts.handled[known] = (counts.handled[known] ?? 0) + 1;
    counts.seconds.record(seconds);
    this.#countClient(call, counts, code);
  }

  #countClient({ head, trace }: ServerCall, counts: MethodCounts, code: number): void {
    const { service, method, info } = counts;
    const { clientName = unknown, callSite = unknown } = head;
    const values = [
      service,
      method,
      clientName,
      callSite,
      grpcCodeName(code),
      head.timeoutMs === undefined ? 'none' : deadlineType(head.deadlineType),
      trace.isAuthenticated ? 'v2' : unknown,
      operationOf(info),
      info?.scope === 'none' ? unknown : (info?.scope ?? unknown),
    ];
    if (this.#clients.size >= maxClientSeries && !this.#clients.has(...values)) {
      values[2] = 'other';
      values[3] = 'other';
    }
    this.#clients.add(1, ...values);
  }

  #of(path: string): MethodCounts {
    const counts = this.#methods.get(path);
    if (counts !== undefined) return counts;
    const info = lookupMethod(path);
    if (!info.known && !this.#local.has(path)) return this.#unknown;
    const { service, method } = splitMethod(path);
    const added = newCounts(service, method, info.known ? info : undefined);
    this.#methods.set(path, added);
    return added;
  }

  #all(): readonly MethodCounts[] {
    const all = [...this.#methods.values(), this.#unknown];
    return all.filter(({ started }) => started > 0);
  }

  #register(registry: Registry): void {
    const all = () => this.#all();
    const labelNames = ['grpc_service', 'grpc_method'];
    const metrics = [
      new Counter({
        name: 'grpc_server_started_total',
        help: 'Calls that have begun.',
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const counts of all()) this.inc(labelsOf(counts), counts.started);
        },
      }),
      new Counter({
        name: 'grpc_server_handled_total',
        help: 'Calls that have ended.',
        labelNames: [...labelNames, 'grpc_code'],
        registers: [],
        collect() {
          this.reset();
          for (const counts of all()) {
            for (const [code, count] of counts.handled.entries()) {
              if (count > 0)
                this.inc({ ...labelsOf(counts), grpc_code: grpcCodeName(code) }, count);
            }
          }
        },
      }),
      new Counter({
        name: 'gitaly_praefect_method_types',
        help: 'Calls by what their method does.',
        labelNames: ['method_type'],
        registers: [],
        collect() {
          this.reset();
          for (const { info, started } of all())
            this.inc({ method_type: operationOf(info) }, started);
        },
      }),
    ];
    for (const metric of metrics) registry.registerMetric(metric);
    const seconds = new BucketHistogram({
      name: 'grpc_server_handling_seconds',
      help: 'How long calls took.',
      bounds: secondsBounds,
      read: () => all().map((counts) => [labelsOf(counts), counts.seconds] as const),
    });
    registry.registerMetric(seconds);
  }
}

function newCounts(service: string, method: string, info: MethodInfo | undefined): MethodCounts {
  const handled = Object.values(statusCodes).map(() => 0);
  return { service, method, info, started: 0, handled, seconds: new Buckets(secondsBounds) };
}

function labelsOf({ service, method }: MethodCounts) {
  return { grpc_service: service, grpc_method: method };
}

function operationOf(info: MethodInfo | undefined): string {
  return info === undefined || info.op === 'intercepted' ? unknown : info.op;
}

/** The kinds that GitLab tells; others are made up. */
const deadlineTypes: ReadonlySet<string> = new Set(['regular', 'limited', 'unlimited']);

function deadlineType(told: string | undefined): string {
  return told !== undefined && deadlineTypes.has(told) ? told : unknown;
}
