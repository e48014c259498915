import { spawn, type ChildProcess } from 'node:child_process';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Cluster } from '../testbed/cluster.ts';

/** An address on which this process can reach something in the cluster. */
export interface Reached extends Stoppable {
  readonly host: string;
  readonly port: number;
}

const forwardLimitMs = 20_000;

/**
 * Makes a service or a pod reachable: by its own address where there is a way to it, else through
 * `kubectl port-forward`.
 */
export async function reach(
  cluster: Cluster,
  target: { readonly namespace: string; readonly kind: 'service' | 'pod'; readonly name: string },
  port: number,
): Promise<Reached> {
  const { namespace, kind, name } = target;
  if (!cluster.reachesPods) return portForward(cluster, target, port);
  const field = kind === 'service' ? '{.spec.clusterIP}' : '{.status.podIP}';
  const path = ['-n', namespace, 'get', kind, name, '-o', `jsonpath=${field}`];
  const host = await cluster.kubectl(path);
  if (host === '') throw new Error(`${kind} ${namespace}/${name} has no address yet`);
  return { host, port, stop: async () => {} };
}

async function portForward(
  cluster: Cluster,
  {
    namespace,
    kind,
    name,
  }: { readonly namespace: string; readonly kind: string; readonly name: string },
  port: number,
): Promise<Reached> {
  const args = ['-n', namespace, 'port-forward', `${kind}/${name}`, `:${port}`];
  const child = spawn('kubectl', args, {
    env: { ...process.env, KUBECONFIG: cluster.kubeconfigPath },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const localPort = await firstForwardedPort(child);
  return {
    host: '127.0.0.1',
    port: localPort,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function firstForwardedPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => {
      child.kill('SIGTERM');
      reject(new Error(`kubectl port-forward said nothing within ${forwardLimitMs} ms`));
    }, forwardLimitMs);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`kubectl port-forward ended with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const match = /127\.0\.0\.1:(\d+)/.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      resolve(Number(match[1]));
    });
  });
}
