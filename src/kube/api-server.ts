import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';

import { KubeConfig } from '@kubernetes/client-node';

/** Where the API server is, and how to prove to it who we are. */
export interface ApiServer {
  readonly url: URL;
  /**
   * What each request needs of TLS trust, client certificate and headers. Asked before every request,
   * so that a token that Kubernetes renewed is taken up.
   */
  requestOptions(): Promise<RequestOptions>;
}

/** An API server as kubeconfig names it, and the namespace of its current context. */
export interface LoadedApiServer extends ApiServer {
  readonly namespace: string | undefined;
}

/**
 * The API server of `KUBECONFIG`, of `~/.kube/config`, or of the cluster that we run in, in this
 * order. Throws if there is none.
 */
export function loadApiServer(): LoadedApiServer {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new Error('no API server is known: set KUBECONFIG, or run in a pod');
  }
  const url = new URL(cluster.server);
  const agent = keepAliveAgent(url);
  return {
    url,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    async requestOptions() {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      // The library's own agent opens a connection for each request; only behind a proxy is it needed.
      return cluster.proxyUrl === undefined ? { ...options, agent } : options;
    },
  };
}

/** An API server that asks for no credentials, such as `kubectl proxy`. */
export function openApiServer(url: URL): ApiServer {
  const agent = keepAliveAgent(url);
  return { url, requestOptions: async () => ({ agent }) };
}

/** Watches hold a connection each for minutes, so that the number of connections is not limited. */
function keepAliveAgent(url: URL): HttpAgent {
  return url.protocol === 'http:'
    ? new HttpAgent({ keepAlive: true })
    : new HttpsAgent({ keepAlive: true });
}
