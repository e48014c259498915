import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';

/** What GitLab is asked about a push. */
export interface AccessQuestion {
  /** What is pushed to the first reference. */
  readonly commit: string;
  /** What GitLab puts into the Repository of all that it reads to find its answer. */
  readonly quarantine: {
    readonly gitObjectDirectory: string;
    readonly gitAlternateObjectDirectories: string[];
  };
}

/** A stand-in for GitLab's internal API, with an access check that tests carry out. */
export interface CheckingGitLab extends Stoppable {
  readonly url: string;
  /** Whether a push is allowed. Default: each is. */
  check: (question: AccessQuestion) => Promise<boolean>;
}

/** Starts the stand-in on a port of loopback. Requests need not be signed. */
export async function startCheckingGitLab(): Promise<CheckingGitLab> {
  const server = createServer((request, response) => {
    const endpoint = (request.url ?? '').split('/').at(-1) ?? '';
    const respond = async () => {
      const body = await answer(endpoint, request);
      const status = body['status'] === false ? 401 : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    respond().catch(() => response.destroy());
  });
  const answer = async (
    endpoint: string,
    request: IncomingMessage,
  ): Promise<Record<string, unknown>> => {
    const body = await readBody(request);
    if (endpoint === 'pre_receive') return { reference_counter_increased: true };
    if (endpoint === 'post_receive') return { reference_counter_decreased: true, messages: [] };
    const status = await gitlab.check(questionOf(body));
    return status ? { status } : { status, message: 'the access check has failed' };
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const gitlab: CheckingGitLab = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    check: async () => true,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return gitlab;
}

interface AllowedRequest {
  /** Lines `<old> <new> <ref>`. */
  readonly changes: string;
  /** JSON. */
  readonly env: string;
}

function questionOf(body: AllowedRequest): AccessQuestion {
  const env = JSON.parse(body.env) as Readonly<Record<string, unknown>>;
  const alternates = env['GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE'] as string[] | null;
  return {
    commit: body.changes.split(' ')[1] ?? '',
    quarantine: {
      gitObjectDirectory: String(env['GIT_OBJECT_DIRECTORY_RELATIVE']),
      gitAlternateObjectDirectories: alternates ?? [],
    },
  };
}

async function readBody(request: IncomingMessage): Promise<AllowedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as AllowedRequest;
}
