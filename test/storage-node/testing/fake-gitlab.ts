import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Stoppable } from '../../../src/base/scope.ts';

/** GitLab's internal API as the recorder had it: the project's name tells what it answers. */
export interface FakeGitLab extends Stoppable {
  readonly url: string;
  /** Endpoint and `gl_repository` of each request. */
  readonly requests: readonly string[];
}

export async function startFakeGitLab(): Promise<FakeGitLab> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    readJson(request).then(
      (body) => {
        const endpoint = (request.url ?? '').split('/').at(-1) ?? '';
        const project = body.gl_repository ?? '';
        requests.push(`${endpoint} ${project}`);
        return answer(response, endpoint, project);
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port ?? 0}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

function answer(response: ServerResponse, endpoint: string, project: string): void {
  const send = (status: number, body: object) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (endpoint === 'allowed' && project === 'project-deny') {
    const message = 'You are not allowed to push code to this project.';
    send(401, { status: false, message });
  } else if (endpoint === 'allowed' && project === 'project-500') {
    send(500, { message: 'internal error' });
  } else if (endpoint === 'allowed') {
    send(200, { status: true });
  } else if (endpoint === 'pre_receive') {
    send(200, { reference_counter_increased: project !== 'project-noref' });
  } else if (endpoint === 'post_receive') {
    const greeting = { type: 'basic', message: 'hello from post-receive' };
    const messages = project === 'project-msg' ? [greeting] : [];
    send(200, { reference_counter_decreased: true, messages });
  } else {
    send(404, {});
  }
}

async function readJson(request: IncomingMessage): Promise<{ gl_repository?: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as { gl_repository?: string };
}
