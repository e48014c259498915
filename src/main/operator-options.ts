import { parseArgs } from 'node:util';

import type { NodeWatching } from '../reconcilers/leaving-nodes.ts';

/** How the operator is run. */
export interface OperatorOptions {
  /** Which namespaces to look after; empty: all. */
  readonly namespaces: readonly string[];
  readonly nodes: NodeWatching;
  /** Where the Lease is that replicas compete for; undefined: run alone, and always lead. */
  readonly leaseNamespace: string | undefined;
  /** Address of `/livez`, `/readyz` and `/metrics`. */
  readonly httpListen: { readonly host: string; readonly port: number };
  /** The image of proxies whose cluster names none. */
  readonly proxyImage: string;
  /** The name of this replica. */
  readonly identity: string;
  readonly logLevel: string;
}

/** Options as flags, or in the environment. */
export const operatorUsage = `operator [flags]

  --namespaces a,b        which to look after (WATCH_NAMESPACES); default: all
  --leaving-taints a,b    keys of taints of nodes that are about to go, beside the
                          well-known ones (LEAVING_TAINTS)
  --no-nodes              watch no nodes (WATCH_NODES=false): then evictions are not held up
                          until storages are drained
  --cordon-nodes          cordon and uncordon nodes for maintenances (CORDON_NODES=true), which
                          needs the right to patch nodes
  --lease-namespace ns    where replicas elect a leader (POD_NAMESPACE); default: no election
  --http-listen host:port /livez, /readyz and /metrics (HTTP_LISTEN); default 0.0.0.0:8080
  --proxy-image image     for clusters that name none (OPERATOR_IMAGE)
  --log-level level       debug, info, warn or error (LOG_LEVEL); default info
`;

/** Throws if a flag is unknown or a value makes no sense. */
export function parseOperatorOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OperatorOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      namespaces: { type: 'string' },
      'leaving-taints': { type: 'string' },
      'no-nodes': { type: 'boolean' },
      'cordon-nodes': { type: 'boolean' },
      'lease-namespace': { type: 'string' },
      'http-listen': { type: 'string' },
      'proxy-image': { type: 'string' },
      'log-level': { type: 'string' },
    },
  });
  const { 'no-nodes': noNodes, 'cordon-nodes': cordonNodes, ...texts } = values;
  const pick = (flag: keyof typeof texts, variable: string) =>
    texts[flag] ?? (env[variable] === '' ? undefined : env[variable]);
  const proxyImage = pick('proxy-image', 'OPERATOR_IMAGE');
  if (proxyImage === undefined) {
    throw new Error('tell the image of the proxies: set OPERATOR_IMAGE or --proxy-image');
  }
  const list = (flag: keyof typeof texts, variable: string) =>
    (pick(flag, variable) ?? '').split(',').filter(Boolean);
  const areWatched = noNodes !== true && env['WATCH_NODES'] !== 'false';
  return {
    namespaces: list('namespaces', 'WATCH_NAMESPACES'),
    nodes: {
      areWatched,
      ownTaints: list('leaving-taints', 'LEAVING_TAINTS'),
      mayCordon: areWatched && (cordonNodes === true || env['CORDON_NODES'] === 'true'),
    },
    leaseNamespace: pick('lease-namespace', 'POD_NAMESPACE'),
    httpListen: parseListen(pick('http-listen', 'HTTP_LISTEN') ?? '0.0.0.0:8080'),
    proxyImage,
    identity: env['POD_NAME'] ?? env['HOSTNAME'] ?? `process-${process.pid}`,
    logLevel: pick('log-level', 'LOG_LEVEL') ?? 'info',
  };
}

function parseListen(text: string): OperatorOptions['httpListen'] {
  const match = /^(.+):(\d+)$/.exec(text);
  if (!match) throw new Error(`not an address to listen on: ${text}; write host:port`);
  const [, host = '', port = ''] = match;
  return { host, port: Number(port) };
}
