import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addresses, type NodePlan } from './addresses.ts';
import { run } from './run.ts';

/** Who a certificate is for. */
interface Certificate {
  /** Its files are `NAME.crt` and `NAME.key`. */
  readonly name: string;
  /** In openssl's form: `/O=group/CN=user`. Kubernetes reads the user and groups out of it. */
  readonly subject: string;
  readonly usage: 'serverAuth' | 'clientAuth';
  /** In openssl's form: `DNS:name,IP:address`. */
  readonly alternativeNames?: string;
}

/** Who gets a kubeconfig. */
const clients = {
  admin: '/O=system:masters/CN=admin',
  'controller-manager': '/CN=system:kube-controller-manager',
  scheduler: '/CN=system:kube-scheduler',
  'kube-proxy': '/CN=system:kube-proxy',
} as const;

const apiServerNames = [
  'DNS:localhost',
  'DNS:kubernetes',
  'DNS:kubernetes.default',
  'DNS:kubernetes.default.svc',
  'DNS:kubernetes.default.svc.cluster.local',
  'IP:127.0.0.1',
  `IP:${addresses.controlPlane}`,
  `IP:${addresses.apiService}`,
].join(',');

/**
 * Makes a certificate authority, the control plane's and nodes' certificates, the key that signs
 * service account tokens, and a `NAME.kubeconfig` for each client and node.
 */
export async function createPki(folder: string, nodes: readonly NodePlan[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await createAuthority(folder);
  await createTokenKey(folder);
  const nodeCertificates = nodes.map(({ name }): Certificate => {
    return { name, subject: `/O=system:nodes/CN=system:node:${name}`, usage: 'clientAuth' };
  });
  const clientCertificates = Object.entries(clients).map(([name, subject]): Certificate => {
    return { name, subject, usage: 'clientAuth' };
  });
  await Promise.all(
    [
      {
        name: 'apiserver',
        subject: '/CN=kube-apiserver',
        usage: 'serverAuth' as const,
        alternativeNames: apiServerNames,
      },
      {
        name: 'kubelet-client',
        subject: '/O=system:masters/CN=apiserver',
        usage: 'clientAuth' as const,
      },
      { name: 'front-proxy', subject: '/CN=front-proxy', usage: 'clientAuth' as const },
      ...clientCertificates,
      ...nodeCertificates,
    ].map((certificate) => sign(folder, certificate)),
  );
  await Promise.all(
    [...clientCertificates, ...nodeCertificates].map(({ name }) => writeKubeconfig(folder, name)),
  );
}

/** What {@link createPki} made for a client or node. */
export function kubeconfigOf(folder: string, name: string): string {
  return join(folder, `${name}.kubeconfig`);
}

async function createAuthority(folder: string): Promise<void> {
  await run(
    'openssl',
    requestArguments(folder, 'ca', '/CN=gitaly-testbed', {}, [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
      'subjectKeyIdentifier=hash',
    ]),
  );
}

async function sign(folder: string, certificate: Certificate): Promise<void> {
  const { name, subject, usage, alternativeNames } = certificate;
  const authority = { CA: join(folder, 'ca.crt'), CAkey: join(folder, 'ca.key') };
  await run(
    'openssl',
    requestArguments(folder, name, subject, authority, [
      'basicConstraints=critical,CA:FALSE',
      `extendedKeyUsage=${usage}`,
      ...(alternativeNames === undefined ? [] : [`subjectAltName=${alternativeNames}`]),
    ]),
  );
}

/** The arguments that make `NAME.key` and `NAME.crt`: signed by the authority, or else by itself. */
function requestArguments(
  folder: string,
  name: string,
  subject: string,
  authority: Readonly<Record<string, string>>,
  extensions: readonly string[],
): readonly string[] {
  const settings = {
    config: '/dev/null', // the machine's openssl.cnf would add extensions of its own, twice
    days: '3650',
    newkey: 'ec',
    pkeyopt: 'ec_paramgen_curve:prime256v1',
    keyout: join(folder, `${name}.key`),
    out: join(folder, `${name}.crt`),
    subj: subject,
    ...authority,
  };
  return [
    'req',
    '-x509',
    '-nodes',
    ...Object.entries(settings).flatMap(([setting, value]) => [`-${setting}`, value]),
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ];
}

async function createTokenKey(folder: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  });
  await writeFile(join(folder, 'tokens.key'), privateKey, { mode: 0o600 });
  await writeFile(join(folder, 'tokens.pub'), publicKey);
}

async function writeKubeconfig(folder: string, name: string): Promise<void> {
  const base64 = (file: string) => readFile(join(folder, file), 'base64');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'testbed',
        cluster: {
          // The one address that the control plane, the nodes and the machine all reach.
          server: `https://${addresses.controlPlane}:${addresses.apiPort}`,
          'certificate-authority-data': await base64('ca.crt'),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          'client-certificate-data': await base64(`${name}.crt`),
          'client-key-data': await base64(`${name}.key`),
        },
      },
    ],
    contexts: [{ name: 'testbed', context: { cluster: 'testbed', user: name } }],
    'current-context': 'testbed',
  };
  const file = join(folder, `${name}.kubeconfig`);
  await writeFile(file, JSON.stringify(kubeconfig, undefined, 2), { mode: 0o600 });
}
