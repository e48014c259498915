import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { addresses, type NodePlan } from './addresses.ts';
import { insideNamespace } from './network.ts';
import { kubeProxyConfig, volumesFolder } from './node-config.ts';
import { type Paths, stateLayout } from './paths.ts';
import { kubeconfigOf } from './pki.ts';
import type { Processes } from './processes.ts';
import { type Progress, waitFor } from './progress.ts';
import { lastLines } from './run.ts';
import { systemImages } from './system-images.ts';

/** What the control plane's processes need. */
export interface ControlPlaneContext {
  readonly paths: Paths;
  /** The folder of the Kubernetes binaries. */
  readonly binaries: string;
  /** The network namespace that they run in; undefined: this process's own. */
  readonly namespace: string | undefined;
  readonly processes: Processes;
  readonly progress: Progress;
}

const readyLimitMs = 120_000;
const etcdUrl = 'http://127.0.0.1:2379';
const etcdPeerUrl = 'http://127.0.0.1:2380';

type Flags = Readonly<Record<string, string>>;

/** Starts etcd and the API server, and when that is ready, what works through it; see {@link controllersReady}. */
export async function startControlPlane(context: ControlPlaneContext): Promise<void> {
  const { progress } = context;
  const { state } = context.paths;
  await start(context, 'etcd', etcdFlags(state));
  await start(context, 'kube-apiserver', apiServerFlags(state));
  await progress.during('the API server', () => apiReady(context, '/readyz'));
  // The controller manager ends if it is there before the API server's own roles.
  await start(context, 'kube-controller-manager', controllerManagerFlags(state));
  await start(context, 'kube-scheduler', schedulerFlags(state));
}

/** Resolves when the controllers work: they have made what pods in a new namespace need. */
export async function controllersReady(context: ControlPlaneContext): Promise<void> {
  const account = '/api/v1/namespaces/default/serviceaccounts/default';
  await context.progress.during('the controllers', () => apiReady(context, account));
}

/**
 * Starts the control plane's own kube-proxy, which gives it and the machine the services'
 * addresses. It needs the Node object of the first node.
 */
export async function startServiceProxy(
  context: ControlPlaneContext,
  firstNode: NodePlan,
): Promise<void> {
  const layout = stateLayout(context.paths.state);
  const config = join(layout.config, 'kube-proxy.yaml');
  await writeFile(config, kubeProxyConfig(firstNode.name, kubeconfigOf(layout.pki, 'kube-proxy')));
  await start(context, 'kube-proxy', { config });
}

/** Starts what makes persistent volumes. It runs beside the control plane, where no fault hits it. */
export async function startVolumeProvisioner(context: ControlPlaneContext): Promise<void> {
  const layout = stateLayout(context.paths.state);
  const config = join(layout.config, 'local-path.json');
  const nodePathMap = [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: [volumesFolder] }];
  await writeFile(config, JSON.stringify({ nodePathMap }));
  await startCommand(context, 'local-path-provisioner', [
    join(context.binaries, 'local-path-provisioner'),
    'start',
    ...toArguments({
      config,
      kubeconfig: kubeconfigOf(layout.pki, 'admin'),
      namespace: 'local-path-storage',
      'helper-image': systemImages.busybox,
      'helper-pod-file': join(context.paths.source, 'manifests', 'volume-helper-pod.yaml'),
      'configmap-name': 'local-path-config',
      'service-account-name': 'local-path-provisioner',
    }),
  ]);
}

/** Whether the API server says that it is ready. */
export async function isApiReady(state: string): Promise<boolean> {
  return (await get(state, '/readyz').catch(() => undefined))?.status === 200;
}

function start(context: ControlPlaneContext, component: string, flags: Flags): Promise<void> {
  const program = join(context.binaries, component);
  return startCommand(context, component, [program, ...toArguments(flags)]);
}

async function startCommand(
  { processes, namespace }: ControlPlaneContext,
  name: string,
  command: readonly string[],
): Promise<void> {
  const [program = '', ...args] =
    namespace === undefined ? command : ['ip', ...insideNamespace(namespace, command)];
  await processes.start({ name, command: program, args });
}

async function apiReady(context: ControlPlaneContext, path: string): Promise<void> {
  const { processes } = context;
  const { state } = context.paths;
  const options = { limitMs: readyLimitMs, everyMs: 100 };
  await waitFor(`the API server to serve ${path}`, options, async () => {
    for (const name of await processes.names()) {
      if ((await processes.find(name)) !== undefined) continue;
      const log = await readFile(processes.logFile(name), 'utf8');
      throw new Error(`${name} ended: ${lastLines(log, 5)}`);
    }
    const answer = await get(state, path).catch((failure: Error) => failure);
    if (answer instanceof Error) return { kind: 'waiting', for: answer.message };
    if (answer.status === 200) return { kind: 'done', value: undefined };
    return { kind: 'waiting', for: `status ${answer.status}` };
  });
}

/** One request to the API server as its administrator. */
async function get(state: string, path: string): Promise<{ readonly status: number }> {
  const { pki } = stateLayout(state);
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'admin.crt', 'admin.key'].map((file) => readFile(join(pki, file))),
  );
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: addresses.controlPlane,
        port: addresses.apiPort,
        path,
        ca,
        cert,
        key,
        timeout: 2_000,
      },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0 }));
        answer.on('error', reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 2 s')));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function toArguments(flags: Flags): readonly string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

function etcdFlags(state: string): Flags {
  return {
    name: 'testbed',
    'data-dir': stateLayout(state).etcd,
    'unsafe-no-fsync': 'true', // nothing in a testbed outlives the machine
    'log-level': 'warn',
    'listen-client-urls': etcdUrl,
    'advertise-client-urls': etcdUrl,
    'listen-peer-urls': etcdPeerUrl,
    'initial-advertise-peer-urls': etcdPeerUrl,
    'initial-cluster': `testbed=${etcdPeerUrl}`,
  };
}

function apiServerFlags(state: string): Flags {
  const pki = (file: string) => join(stateLayout(state).pki, file);
  return {
    'etcd-servers': etcdUrl,
    'bind-address': '0.0.0.0',
    'advertise-address': addresses.controlPlane,
    'secure-port': String(addresses.apiPort),
    'tls-cert-file': pki('apiserver.crt'),
    'tls-private-key-file': pki('apiserver.key'),
    'client-ca-file': pki('ca.crt'),
    'kubelet-client-certificate': pki('kubelet-client.crt'),
    'kubelet-client-key': pki('kubelet-client.key'),
    'kubelet-preferred-address-types': 'InternalIP',
    'requestheader-client-ca-file': pki('ca.crt'),
    'requestheader-allowed-names': 'front-proxy',
    'requestheader-username-headers': 'X-Remote-User',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'proxy-client-cert-file': pki('front-proxy.crt'),
    'proxy-client-key-file': pki('front-proxy.key'),
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': pki('tokens.pub'),
    'service-account-signing-key-file': pki('tokens.key'),
    'service-cluster-ip-range': addresses.services,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': 'true',
  };
}

function controllerManagerFlags(state: string): Flags {
  const layout = stateLayout(state);
  const pki = (file: string) => join(layout.pki, file);
  const kubeconfig = kubeconfigOf(layout.pki, 'controller-manager');
  return {
    kubeconfig,
    'authentication-kubeconfig': kubeconfig,
    'authorization-kubeconfig': kubeconfig,
    'authentication-tolerate-lookup-failure': 'true',
    'bind-address': '127.0.0.1',
    'leader-elect': 'false',
    'use-service-account-credentials': 'true',
    'service-account-private-key-file': pki('tokens.key'),
    'root-ca-file': pki('ca.crt'),
    'cluster-signing-cert-file': pki('ca.crt'),
    'cluster-signing-key-file': pki('ca.key'),
    // The defaults, 5 s and 50 s, are made for clusters of thousands.
    'node-monitor-period': '2s',
    'node-monitor-grace-period': '16s',
  };
}

function schedulerFlags(state: string): Flags {
  const kubeconfig = kubeconfigOf(stateLayout(state).pki, 'scheduler');
  return {
    kubeconfig,
    'authentication-kubeconfig': kubeconfig,
    'authorization-kubeconfig': kubeconfig,
    'bind-address': '127.0.0.1',
    'leader-elect': 'false',
  };
}
