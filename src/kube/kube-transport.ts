import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { TimeoutError, type Clock } from '../base/clock.ts';
import type { ApiServer } from './api-server.ts';
import { kubeErrorOf } from './kube-error.ts';
import { linkAbort } from './linked-abort.ts';

/** A request to the API server. */
interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Such as `/api/v1/namespaces/default/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** HTTP to the API server. Each method rejects with a KubeError if the server refuses. */
export interface KubeTransport {
  /** The parsed answer. Rejects with a TimeoutError after 30 seconds. */
  send(request: KubeRequest): Promise<unknown>;
  /**
   * The lines of an answer that goes on and on, as they come. It has to start within 30 seconds; the
   * lines have no limit: abort the signal when they stay away too long.
   */
  openLines(request: KubeRequest): Promise<AsyncIterable<string>>;
}

/** What {@link createKubeTransport} needs. */
export interface KubeTransportOptions {
  readonly server: ApiServer;
  readonly clock: Clock;
}

const answerLimitMs = 30_000;
/** A line is one object; the API server's own limit for one is below 3 MiB. */
const maxLineLength = 16 * 1024 * 1024;
const maxAnswerLength = 256 * 1024 * 1024;

/** A transport on node's HTTP client. */
export function createKubeTransport({ server, clock }: KubeTransportOptions): KubeTransport {
  /** Runs `work` with a signal that is aborted with the request's own, or at the limit. */
  async function limited<T>(
    { method, path, signal }: KubeRequest,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const link = linkAbort(signal);
    const timer = clock.after(answerLimitMs, () =>
      link.abort(new TimeoutError(`${method} ${path}`, answerLimitMs)),
    );
    try {
      return await work(link.signal);
    } catch (failure) {
      throw reasonOf(link.signal, failure);
    } finally {
      timer.cancel();
      link.release();
    }
  }

  async function open(request: KubeRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const response = await exchange(await prepare(server, request, body), body, signal);
    const { statusCode = 500 } = response;
    if (statusCode < 400) return response;
    throw kubeErrorOf(statusCode, await readAll(response));
  }

  return {
    send: (request) =>
      limited(request, async (signal) => {
        return JSON.parse(await readAll(await open(request, signal))) as unknown;
      }),
    async openLines(request) {
      // Not the limit's own signal, which is let go of when the answer has started.
      const link = linkAbort(request.signal);
      const response = await limited(request, (limit) => {
        limit.addEventListener('abort', () => link.abort(limit.reason as Error), { once: true });
        return open(request, link.signal);
      });
      return linesOf(response, link.signal, () => link.release());
    },
  };
}

async function prepare(
  server: ApiServer,
  request: KubeRequest,
  body: string | undefined,
): Promise<ClientRequest> {
  const options = await server.requestOptions();
  const url = new URL(server.url.pathname.replace(/\/$/, '') + request.path, server.url);
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, value);
  }
  const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
  const client = send(url, { ...options, method: request.method });
  client.setHeader('accept', 'application/json');
  client.setHeader('user-agent', 'gitaly-operator');
  if (body !== undefined) {
    client.setHeader('content-type', request.contentType ?? 'application/json');
    // Node sends none with a DELETE, and the server takes the body for another request.
    client.setHeader('content-length', Buffer.byteLength(body));
  }
  return client;
}

/** Sends the request and resolves with the head of the answer. Aborting ends the answer too. */
function exchange(
  client: ClientRequest,
  body: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const abort = () => client.destroy(reasonOf(signal, new Error('aborted')));
    client.once('response', resolve);
    // Stays, as an error may come after the head of the answer, too.
    client.on('error', reject);
    client.once('close', () => signal.removeEventListener('abort', abort));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    else client.end(body);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswerLength) {
      throw new Error(`the API server's answer is longer than ${maxAnswerLength} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function* linesOf(
  response: IncomingMessage,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > maxLineLength) {
        throw new Error(`a line of the API server is longer than ${maxLineLength} characters`);
      }
      for (const line of lines) if (line !== '') yield line;
    }
    if (rest !== '') yield rest;
  } catch (failure) {
    throw reasonOf(signal, failure);
  } finally {
    release();
  }
}

/** Why a signal was aborted, if it was: node itself only says that the connection broke. */
function reasonOf(signal: AbortSignal, failure: unknown): Error {
  const thrown: unknown = signal.aborted ? signal.reason : failure;
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
