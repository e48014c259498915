import { join } from 'node:path';
import { run, type RunOptions } from './run.ts';

/** Runs kubectl and helm against one cluster. */
export interface KubernetesTools {
  /** Runs kubectl and returns its standard output; anything but exit 0 throws. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs helm the same way. */
  helm(args: readonly string[], options?: RunOptions): Promise<string>;
}

/** Where the programs are and what they work on. */
export interface ToolPlaces {
  readonly kubectl: string;
  readonly helm: string;
  readonly kubeconfig: string;
  /** Where both may keep their own caches, so that they write nothing to the home folder. */
  readonly scratch: string;
}

/** The environment that both programs get. */
export function toolEnvironment(places: ToolPlaces): Readonly<Record<string, string>> {
  return {
    KUBECONFIG: places.kubeconfig,
    KUBECACHEDIR: join(places.scratch, 'kubectl'),
    HELM_CACHE_HOME: join(places.scratch, 'helm', 'cache'),
    HELM_CONFIG_HOME: join(places.scratch, 'helm', 'config'),
    HELM_DATA_HOME: join(places.scratch, 'helm', 'data'),
  };
}

/** Tools for the cluster of a kubeconfig. */
export function kubernetesTools(places: ToolPlaces): KubernetesTools {
  const withEnvironment = (options: RunOptions = {}): RunOptions => {
    return { ...options, env: { ...toolEnvironment(places), ...options.env } };
  };
  return {
    kubectl: (args, options) => run(places.kubectl, args, withEnvironment(options)),
    helm: (args, options) => run(places.helm, args, withEnvironment(options)),
  };
}
