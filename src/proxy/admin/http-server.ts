import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Stoppable } from '../../base/scope.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Why the proxy should get no calls now, or undefined if it should. */
  notReady(): string | undefined;
  readonly metrics: Registry;
  /** What takes a look into the database, or undefined while that is not open. */
  databaseMetrics(): Registry | undefined;
}

/** `/livez`, `/readyz`, `/metrics` and `/db_metrics`, over plain HTTP. */
export async function startHttpServer(
  options: HttpServerOptions,
): Promise<Stoppable & { readonly port: number }> {
  const { host, port, notReady, metrics } = options;
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain') => {
      response.writeHead(status, { 'content-type': type }).end(`${body}\n`);
    };
    const tell = (registry: Registry) => {
      registry.metrics().then(
        (text) => answer(200, text, registry.contentType),
        (error: unknown) => answer(500, String(error)),
      );
    };
    const { url = '' } = request;
    switch (url) {
      case '/livez':
        answer(200, 'ok');
        break;
      case '/readyz': {
        const reason = notReady();
        answer(reason === undefined ? 200 : 503, reason ?? 'ok');
        break;
      }
      case '/metrics':
        tell(metrics);
        break;
      case '/db_metrics': {
        const registry = options.databaseMetrics();
        if (registry === undefined) answer(503, 'the database is not open yet');
        else tell(registry);
        break;
      }
      default:
        answer(404, 'there are /livez, /readyz, /metrics and /db_metrics');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
