import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Stoppable } from '../../src/base/scope.ts';

/** What a node counts, under names that Gitaly has too. */
export class NodeMetrics {
  readonly registry = new Registry();
  readonly #handled: Counter<'grpc_service' | 'grpc_method' | 'outcome'>;
  readonly #running: Gauge;

  constructor() {
    this.#handled = new Counter({
      name: 'grpc_server_handled_total',
      help: 'Calls that ended, by how they ended.',
      labelNames: ['grpc_service', 'grpc_method', 'outcome'],
      registers: [this.registry],
    });
    this.#running = new Gauge({
      name: 'gitaly_calls_running',
      help: 'Calls under way.',
      registers: [this.registry],
    });
  }

  /** Counts a call around its work. */
  async count<T>(path: string, work: () => Promise<T>): Promise<T> {
    const [, service = '', method = ''] = path.split('/');
    const labels = { grpc_service: service, grpc_method: method };
    this.#running.inc();
    try {
      const result = await work();
      this.#handled.inc({ ...labels, outcome: 'ok' });
      return result;
    } catch (error) {
      this.#handled.inc({ ...labels, outcome: 'failed' });
      throw error;
    } finally {
      this.#running.dec();
    }
  }
}

/** Serves `/metrics`, with those of the process. */
export async function startMetricsServer(
  listen: { host: string; port: number },
  { registry }: NodeMetrics,
): Promise<Stoppable> {
  collectDefaultMetrics({ register: registry });
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  return {
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
