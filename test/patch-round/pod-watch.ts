import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Pod } from '../../src/api/kubernetes.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { resourceTypes } from '../../src/kube/resource-types.ts';
import { isPodReady } from '../../src/reconcilers/status/pod-state.ts';
import { kubeClientOf } from './kube-client-of.ts';
import { storagePods } from './manifests.ts';

/** The pods of the storages, as the API server has them. */
export interface PodWatch extends Stoppable {
  /** How many are ready and have this image. */
  readyWith(image: string): number;
}

/**
 * Watches the pods of the storages.
 *
 * @param kubeconfig the file of the cluster
 * @param onChange told of each storage whose pod has changed, and whether it is there and ready
 */
export async function watchPods(
  kubeconfig: string,
  onChange: (storage: string, isReady: boolean) => void,
): Promise<PodWatch> {
  const clock = systemClock;
  const reflector = Reflector.start<Pod>({
    client: kubeClientOf(kubeconfig),
    type: resourceTypes.pod,
    selection: { labelSelector: storagePods },
    clock,
    random: systemRandom,
    logger: silentLogger,
    onChange({ kind, object }) {
      onChange(object.metadata.name, kind !== 'deleted' && isPodReady(object));
    },
  });
  await reflector.synced;
  const hasImage = (pod: Pod, image: string) =>
    pod.spec.containers.every((container) => container.image === image);
  return {
    readyWith: (image) =>
      reflector.store.list((pod) => isPodReady(pod) && hasImage(pod, image)).length,
    stop: () => reflector.stop(),
  };
}
