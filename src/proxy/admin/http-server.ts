import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import type { Stoppable } from '../../base/scope.ts';

const metricsType = Registry.PROMETHEUS_CONTENT_TYPE;

/** What is answered over HTTP. A rejection is told as an error of the server. */
export interface HttpAnswers {
  /** Why the proxy should get no calls now, or undefined if it should. */
  notReady(): Promise<string | undefined>;
  /** In Prometheus' text form, as the next one. */
  metrics(): Promise<string>;
  /** What a look into the database says, or undefined while that is not open. */
  databaseMetrics(): Promise<string | undefined>;
}

/** Where to listen: port 0 for any free one. */
export interface HttpAddress {
  readonly host: string;
  readonly port: number;
}

/** `/livez`, `/readyz`, `/metrics` and `/db_metrics`, over plain HTTP. */
export async function startHttpServer(
  { host, port }: HttpAddress,
  answers: HttpAnswers,
): Promise<Stoppable & { readonly port: number }> {
  const server = createServer(({ url = '' }, response) => {
    const send = ({ status = 200, body, type = 'text/plain' }: HttpAnswer) => {
      response.writeHead(status, { 'content-type': type }).end(`${body}\n`);
    };
    answerTo(url, answers).then(send, (error: unknown) =>
      send({ status: 500, body: String(error) }),
    );
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

interface HttpAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly body: string;
  readonly type?: string;
}

async function answerTo(url: string, answers: HttpAnswers): Promise<HttpAnswer> {
  switch (url) {
    case '/livez':
      return { body: 'ok' };
    case '/readyz': {
      const reason = await answers.notReady();
      return reason === undefined ? { body: 'ok' } : { status: 503, body: reason };
    }
    case '/metrics':
      return { body: await answers.metrics(), type: metricsType };
    case '/db_metrics': {
      const body = await answers.databaseMetrics();
      if (body === undefined) return { status: 503, body: 'the database is not open yet' };
      return { body, type: metricsType };
    }
    default:
      return { status: 404, body: 'there are /livez, /readyz, /metrics and /db_metrics' };
  }
}
