import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cache } from './cache.ts';
import type { NodeFaults } from './faults.ts';
import { type KubernetesTools, kubernetesTools } from './kubernetes-tools.ts';
import { npmTools } from './npm-tools.ts';
import { stateLayout, testbedPaths } from './paths.ts';
import { kubeconfigOf } from './pki.ts';
import type { Images } from './product-images.ts';
import type { Progress } from './progress.ts';
import type { Requirements } from './requirements.ts';
import { testbedRequirements, up } from './up.ts';

/** A Kubernetes cluster that tests run on. */
export interface Cluster extends KubernetesTools {
  readonly kubeconfigPath: string;
  /** What to deploy. Every node has these, or can pull them. */
  readonly images: Images;
  /** Undefined where nodes are not ours to break. */
  readonly nodes: NodeFaults | undefined;
  /** Whether this process can open connections to the addresses of pods and services. */
  readonly reachesPods: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The cluster that the environment asks for.
 *
 * - KUBECONFIG names an existing one, on which IMAGE_OPERATOR, IMAGE_STORAGE_NODE and IMAGE_POSTGRES
 *   must say what to deploy, and IMAGE_GITALY may. Tests of upgrades want other images of the same
 *   programs in IMAGE_NEXT_OPERATOR and IMAGE_NEXT_GITALY.
 * - Without it (or with the testbed's own) the testbed is brought up, with images of what
 *   `npm run build` made. GITALY_FOLDER may name a folder like `/usr/local` of Gitaly's image.
 *
 * Where no Gitaly is named, the stand-in takes its place.
 */
export async function openCluster(
  progress: Progress,
  environment: Environment = process.env,
): Promise<Cluster> {
  const kubeconfig = existingKubeconfig(environment);
  return kubeconfig === undefined
    ? openTestbed(progress, environment)
    : openExisting(kubeconfig, environment);
}

/**
 * Whether {@link openCluster} has a chance here, with the reasons if not; a test runner skips with
 * them. An existing cluster is taken at its word.
 */
export async function clusterRequirements(
  environment: Environment = process.env,
): Promise<Requirements> {
  if (existingKubeconfig(environment) !== undefined) return { kind: 'ok' };
  return testbedRequirements(testbedPaths(environment));
}

function existingKubeconfig(environment: Environment): string | undefined {
  const kubeconfig = environment['KUBECONFIG'];
  const { pki } = stateLayout(testbedPaths(environment).state);
  return kubeconfig === kubeconfigOf(pki, 'admin') ? undefined : kubeconfig || undefined;
}

/** The images that the environment names. All must be there; the error names those that aren't. */
export function imagesFromEnvironment(environment: Environment): Images {
  const variables = {
    operator: 'IMAGE_OPERATOR',
    storageNode: 'IMAGE_STORAGE_NODE',
    postgres: 'IMAGE_POSTGRES',
  } as const;
  const missing = Object.values(variables).filter((name) => !environment[name]);
  if (missing.length > 0) {
    throw new Error(`KUBECONFIG is set, so these must be too: ${missing.join(', ')}`);
  }
  const value = (name: string) => environment[name] ?? '';
  const operator = value(variables.operator);
  const gitaly = environment['IMAGE_GITALY'] || value(variables.storageNode);
  return {
    operator,
    gitaly,
    nextOperator: environment['IMAGE_NEXT_OPERATOR'] || operator,
    nextGitaly: environment['IMAGE_NEXT_GITALY'] || gitaly,
    storageNode: value(variables.storageNode),
    postgres: value(variables.postgres),
  };
}

async function openTestbed(progress: Progress, environment: Environment): Promise<Cluster> {
  const paths = testbedPaths(environment);
  const { testbed, images } = await up(
    { paths, progress },
    { dist: paths.dist, gitaly: environment['GITALY_FOLDER'] || undefined },
  );
  if (images === undefined) throw new Error('the testbed came up without images');
  return {
    ...testbed.tools,
    kubeconfigPath: testbed.kubeconfig,
    images: {
      operator: images.operator.name,
      gitaly: images.gitaly.name,
      nextOperator: images.nextOperator.name,
      nextGitaly: images.nextGitaly.name,
      storageNode: images.storageNode.name,
      postgres: images.postgres.name,
    },
    nodes: testbed.faults,
    reachesPods: true,
  };
}

async function openExisting(kubeconfig: string, environment: Environment): Promise<Cluster> {
  const images = imagesFromEnvironment(environment);
  const paths = testbedPaths(environment);
  const programs = await npmTools(paths, new Cache(paths.cache));
  const tools = kubernetesTools({
    kubectl: join(programs, 'kubectl'),
    helm: join(programs, 'helm'),
    kubeconfig,
    scratch: await mkdtemp(join(tmpdir(), 'cluster-tools-')),
  });
  return { ...tools, kubeconfigPath: kubeconfig, images, nodes: undefined, reachesPods: false };
}
