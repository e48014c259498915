import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Stoppable } from '../../src/base/scope.ts';
import { FakeObjects, type FakeObject, type ObjectEvent } from './fake-kube-objects.ts';

/** A request as a fault sees it. */
interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly watch: boolean;
}

/** What happens to a request instead of being served. */
export type Fault =
  | { readonly kind: 'status'; readonly code: number; readonly reason?: string }
  /** The connection breaks. */
  | { readonly kind: 'cut' }
  /** No answer, ever. */
  | { readonly kind: 'hang' }
  /** An answer of 200 with this body, which then ends. */
  | { readonly kind: 'body'; readonly body: string };

/**
 * A stand-in for the API server on loopback: lists in pages, watches with versions, bookmarks and
 * 410, conflicts, generations, status subresources. Server-side apply only merges: it has no
 * managers, and takes nothing away.
 */
export interface FakeApiServer extends Stoppable {
  readonly url: URL;
  readonly objects: FakeObjects;
  /** Every request so far, faults included. */
  readonly requests: readonly FakeRequest[];
  /** Asked for each request; the first fault that it returns is what happens. */
  setFault(fault: (request: FakeRequest) => Fault | undefined): void;
  /** What the log of every container of the pods whose name it is has, line by line. Default: nothing. */
  readonly logs: Map<string, readonly string[]>;
  /** Sends each open watch a bookmark. */
  bookmark(): void;
  /** Ends each open watch as the server's own limit would. */
  closeWatches(): void;
  /** Writes a line to each open watch. */
  writeToWatches(line: string): void;
  readonly openWatches: number;
}

/** Starts the stand-in on an ephemeral port. */
export async function startFakeApiServer(): Promise<FakeApiServer> {
  const objects = new FakeObjects();
  const requests: FakeRequest[] = [];
  const watches = new Set<Watch>();
  const logs = new Map<string, readonly string[]>();
  let faultOf: (request: FakeRequest) => Fault | undefined = () => undefined;

  const server = createServer((incoming, response) => {
    void serve(incoming, response).catch((failure: unknown) => {
      response.writeHead(500).end(JSON.stringify({ message: String(failure) }));
    });
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const watch = url.searchParams.get('watch') === 'true';
    const { method = 'GET' } = incoming;
    const request = { method, path: url.pathname, query: url.searchParams, watch };
    requests.push(request);
    const fault = faultOf(request);
    if (fault) return suffer(fault, response);
    if (watch) return openWatch(request, response);
    const pod = /\/pods\/([^/]+)\/log$/.exec(url.pathname)?.[1];
    if (pod !== undefined) {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end((logs.get(pod) ?? []).map((line) => `${line}\n`).join(''));
      return;
    }
    const body = await readJson(incoming);
    const answer = objects.handle({ ...request, body, apply: isApply(incoming) });
    response.writeHead(answer.code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }

  function openWatch({ path, query }: FakeRequest, response: ServerResponse): void {
    const events = objects.eventsSince(path, query);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (events.kind === 'expired') {
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      return;
    }
    const watch: Watch = { path, query, response };
    for (const event of events.events) send(watch, event);
    watches.add(watch);
    response.on('close', () => watches.delete(watch));
  }

  objects.onEvent((event) => {
    for (const watch of watches) {
      if (objects.matches(event.object, watch.path, watch.query)) send(watch, event);
    }
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    objects,
    requests,
    logs,
    setFault(fault) {
      faultOf = fault;
    },
    bookmark() {
      const metadata = { resourceVersion: objects.version };
      for (const watch of watches) send(watch, { type: 'BOOKMARK', object: { metadata } });
    },
    closeWatches() {
      for (const { response } of watches) response.end();
      watches.clear();
    },
    writeToWatches(line) {
      for (const { response } of watches) response.write(`${line}\n`);
    },
    get openWatches() {
      return watches.size;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Watch {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
}

function send({ response }: Watch, event: ObjectEvent | { type: string; object: object }): void {
  response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
}

function suffer(fault: Fault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'status': {
      const { code, reason = 'Fault' } = fault;
      response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, reason, message: 'no' }));
      break;
    }
    case 'cut':
      response.destroy();
      break;
    case 'hang':
      break;
    case 'body':
      response.writeHead(200).end(fault.body);
      break;
    default:
      throw new Error(`unknown fault: ${JSON.stringify(fault)}`);
  }
}

function isApply({ headers }: IncomingMessage): boolean {
  return headers['content-type'] === 'application/apply-patch+yaml';
}

async function readJson(incoming: IncomingMessage): Promise<FakeObject | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as FakeObject);
}
