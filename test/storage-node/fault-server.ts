import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorMessage } from '../../src/base/errors.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Fault, Faults } from './faults.ts';

/** A port on which a test sets faults. */
export interface FaultServer extends Stoppable {
  /** `host:port`. */
  readonly address: string;
}

/**
 * Serves faults over HTTP: `POST /faults` with a {@link Fault} as JSON adds one, `PUT /disk-full` with `true` or
 * `false` fills the disk, `DELETE /faults` clears everything. For tests only: who reaches the port can kill the node.
 */
export async function startFaultServer(
  faults: Faults,
  listen: { host: string; port: number },
): Promise<FaultServer> {
  const server = createServer((request, response) => {
    handle(faults, request, response).catch((error: unknown) => {
      response.writeHead(400).end(errorMessage(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  return { address: `${listen.host}:${portOf(server)}`, stop: () => close(server) };
}

async function handle(
  faults: Faults,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (`${request.method ?? ''} ${request.url ?? ''}`) {
    case 'POST /faults':
      faults.add((await readJson(request)) as Fault);
      break;
    case 'PUT /disk-full':
      faults.setDiskFull((await readJson(request)) === true);
      break;
    case 'DELETE /faults':
      faults.clear();
      break;
    default:
      response.writeHead(404).end();
      return;
  }
  response.writeHead(204).end();
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
}
