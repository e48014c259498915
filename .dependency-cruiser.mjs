/**
 * The architecture, as rules that fail the build. Arrows point down only (docs/architecture.md).
 * Each entry lists what a folder may import of ours; everything else is refused.
 */
const layers = {
  'src/base': [],
  'src/gen': [],
  'src/api': ['src/base'],
  'src/reconcilers': ['src/api', 'src/base'],
  'src/kube': ['src/api', 'src/base'],
  'src/rpc': ['src/gen', 'src/base'],
  'src/controllers': ['src/reconcilers', 'src/kube', 'src/api', 'src/rpc', 'src/gen', 'src/base'],
  'src/proxy/wire': ['src/base'],
  'src/proxy/routing': ['src/base'],
  'src/proxy/transactions': ['src/proxy/routing', 'src/proxy/store', 'src/base'],
  'src/proxy/health': ['src/proxy/routing', 'src/base'],
  'src/proxy/store': ['src/proxy/routing', 'src/base'],
  'src/proxy/view': ['src/proxy/routing', 'src/proxy/store', 'src/proxy/transactions', 'src/base'],
  'src/proxy/upstream': [
    'src/proxy/wire',
    'src/proxy/routing',
    'src/proxy/health',
    'src/gen',
    'src/base',
  ],
  'src/proxy/replication': [
    'src/proxy/routing',
    'src/proxy/transactions',
    'src/proxy/health',
    'src/proxy/store',
    'src/proxy/view',
    'src/proxy/upstream',
    'src/gen',
    'src/base',
  ],
  'src/proxy/relay': [
    'src/proxy/wire',
    'src/proxy/routing',
    'src/proxy/transactions',
    'src/proxy/health',
    'src/proxy/store',
    'src/proxy/view',
    'src/proxy/upstream',
    'src/gen',
    'src/base',
  ],
  'src/proxy/drain': ['src/proxy/routing', 'src/proxy/store', 'src/base'],
  'src/proxy/placement': ['src/proxy/routing', 'src/proxy/store', 'src/base'],
  'src/proxy/verification': [
    'src/proxy/routing',
    'src/proxy/transactions',
    'src/proxy/replication',
    'src/proxy/store',
    'src/proxy/view',
    'src/proxy/upstream',
    'src/rpc',
    'src/base',
  ],
  'src/proxy/admin': [
    'src/proxy/drain',
    'src/proxy/placement',
    'src/proxy/verification',
    'src/proxy/wire',
    'src/proxy/relay',
    'src/proxy/routing',
    'src/proxy/transactions',
    'src/proxy/replication',
    'src/proxy/health',
    'src/proxy/store',
    'src/proxy/view',
    'src/proxy/upstream',
    'src/gen',
    'src/base',
  ],
  'src/client': ['src/rpc', 'src/gen', 'src/proxy/wire', 'src/base'],
  'src/cli': ['src/client', 'src/kube', 'src/api', 'src/rpc', 'src/gen', 'src/base'],
};

/** Tests beside the code, and what only they use. */
const testCode = ['\\.test\\.ts$', '/conformance/', '\\.conformance\\.ts$', '/testing\\.ts$'];

const escape = (path) => path.replaceAll('.', '\\.');

/** Status codes, tokens and addresses: what both ends of gRPC share. They import no library. */
const shared = ['src/rpc/status', 'src/rpc/token', 'src/rpc/address'];

const layerRules = Object.entries(layers).map(([folder, allowed]) => ({
  name: `${folder} imports only what lies below it`,
  severity: 'error',
  from: { path: `^${escape(folder)}/`, pathNot: testCode },
  to: {
    path: '^(src|test|bench|scripts|model)/',
    pathNot: [
      ...[folder, ...allowed].map((path) => `^${escape(path)}/`),
      ...shared.map((path) => `^${escape(path)}\\.ts$`),
    ],
  },
}));

/** Pure folders: no I/O library and no node module may be imported. */
const pure = ['src/reconcilers', 'src/proxy/routing', 'src/proxy/transactions', 'src/base'];

/** Libraries that only one folder may import. */
const owners = {
  pg: '^src/proxy/store/',
  '@kubernetes/client-node': '^src/kube/',
};

export default {
  forbidden: [
    ...layerRules,
    {
      name: 'no cycles',
      severity: 'error',
      from: { pathNot: '^test/storage-node/grpc/' },
      to: { circular: true },
    },
    {
      name: 'nothing imports main',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/main/', ...testCode] },
      to: { path: '^src/main/' },
    },
    {
      name: 'the product does not know its tests',
      severity: 'error',
      from: { path: '^src/', pathNot: testCode },
      to: { path: '^(test|bench|scripts|model)/' },
    },
    {
      name: 'pure folders do no I/O',
      severity: 'error',
      from: { path: pure.map((path) => `^${path}/`), pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev'] },
    },
    ...Object.entries(owners).map(([library, folder]) => ({
      name: `only one folder imports ${library}`,
      severity: 'error',
      from: { path: '^src/', pathNot: [folder, '\\.test\\.ts$'] },
      to: { path: `^node_modules/${library}/` },
    })),
    {
      name: 'no dev dependency in the product',
      severity: 'error',
      from: { path: '^src/', pathNot: testCode },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    tsPreCompilationDeps: true,
  },
};
