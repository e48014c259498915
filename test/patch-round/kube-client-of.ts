import { systemClock } from '../../src/base/clock.ts';
import { loadApiServer } from '../../src/kube/api-server.ts';
import { KubeClient } from '../../src/kube/kube-client.ts';
import { createKubeTransport } from '../../src/kube/kube-transport.ts';

/** @param kubeconfig the file of the one cluster that this process speaks with */
export function kubeClientOf(kubeconfig: string): KubeClient {
  process.env['KUBECONFIG'] = kubeconfig; // where the client looks for it
  return new KubeClient(createKubeTransport({ server: loadApiServer(), clock: systemClock }));
}
