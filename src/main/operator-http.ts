import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { errorMessage } from '../base/errors.ts';
import type { Stoppable } from '../base/scope.ts';

/** What is served. Each says what is wrong, or undefined if nothing is. */
export interface OperatorHttpOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly notAlive: () => string | undefined;
  readonly notReady: () => string | undefined;
  readonly metrics: () => Promise<string>;
}

/** A server of `/livez`, `/readyz` and `/metrics`. */
export interface OperatorHttp extends Stoppable {
  readonly port: number;
}

/** Starts to listen. Rejects if the address cannot be had. */
export async function startOperatorHttp(options: OperatorHttpOptions): Promise<OperatorHttp> {
  async function answer(path: string, response: ServerResponse): Promise<void> {
    switch (path) {
      case '/livez':
        return answerHealth(response, options.notAlive());
      case '/readyz':
        return answerHealth(response, options.notReady());
      case '/metrics':
        response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
        response.end(await options.metrics());
        return undefined;
      default:
        response.writeHead(404).end('there is /livez, /readyz and /metrics\n');
        return undefined;
    }
  }

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://operator').pathname;
    answer(path, response).catch((failure: unknown) => {
      response.writeHead(500).end(`${errorMessage(failure)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.listen.port, options.listen.host, resolve);
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

function answerHealth(response: ServerResponse, problem: string | undefined): void {
  response.writeHead(problem === undefined ? 200 : 503).end(`${problem ?? 'ok'}\n`);
}
