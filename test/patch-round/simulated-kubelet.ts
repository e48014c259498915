import { once } from 'node:events';
import { createServer, type ServerOptions } from 'node:https';
import type { Stoppable } from '../../src/base/scope.ts';

/** Where the API server looks for the kubelet of a node. */
const kubeletPort = 10_250;

/** What a Gitaly says of its start, in some dozen lines. */
const startLines = 12;

/**
 * Starts the kubelets of all nodes, as far as the API server asks them something: what containers have logged. Each has
 * logged a start without errors.
 *
 * @param address of all nodes
 * @param identity key and certificate; the API server does not look whose it is
 */
export async function startSimulatedKubelets(
  address: string,
  identity: Pick<ServerOptions, 'key' | 'cert'>,
): Promise<Stoppable> {
  const log = startLog(new Date());
  const server = createServer(identity, ({ url = '' }, answer) => {
    if (url.startsWith('/containerLogs/')) answer.end(log);
    else answer.writeHead(404).end();
  });
  server.listen(kubeletPort, address);
  await once(server, 'listening');
  return {
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Lines with the time before them, as Kubernetes gives them out. */
function startLog(at: Date): string {
  const line = { level: 'info', msg: 'a step of the start is done', pid: 1 };
  return Array.from(
    { length: startLines },
    (_, step) => `${at.toISOString()} ${JSON.stringify({ ...line, step })}\n`,
  ).join('');
}
