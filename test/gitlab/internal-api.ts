import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';

/** What stands in for GitLab's internal API. */
export interface InternalApiOptions {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** What requests must be signed with. */
  readonly secret: string;
}

/** The stand-in while it runs. */
export interface InternalApi extends Stoppable {
  readonly port: number;
}

/** What GitLab answers to a push that it allows, by endpoint. */
const answers: Readonly<Record<string, object>> = {
  check: { api_version: 'v4', gitlab_version: '18.9.0', gitlab_rev: 'stand-in', redis: true },
  allowed: { status: true },
  pre_receive: { reference_counter_increased: true },
  post_receive: { reference_counter_decreased: true, messages: [] },
};

/**
 * Starts a stand-in for the part of GitLab that Gitaly asks about pushes: everything is allowed to
 * whoever knows the secret. Rejects if the address cannot be had.
 */
export async function startInternalApi(options: InternalApiOptions): Promise<InternalApi> {
  const server = createServer((request, response) => {
    const endpoint = /^\/api\/v4\/internal\/(\w+)$/.exec(request.url ?? '')?.[1] ?? '';
    const answer = answers[endpoint];
    request.resume();
    if (!isSigned(request, options.secret)) send(response, 401, { message: 'not signed' });
    else if (answer === undefined) send(response, 404, { message: 'no such endpoint' });
    else send(response, 200, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
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

/** Whether the request bears a JSON Web Token made with the secret (HS256). */
function isSigned(request: IncomingMessage, secret: string): boolean {
  const token = request.headers['gitlab-shell-api-request'];
  const [header = '', claims = '', signature = ''] = String(token).split('.');
  const expected = createHmac('sha256', secret).update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature, 'base64url');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
