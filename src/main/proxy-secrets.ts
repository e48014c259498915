import type { ProxyConfig } from '../api/proxy-config.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import type { ProxyServerOptions } from './proxy-server-options.ts';
import { Reloaded } from './reloaded.ts';
import { readAuthorities, readCertificate } from './certificate.ts';
import { readTokens } from './secrets.ts';

/** What a proxy reads from mounted Secrets, and again when they change. */
export interface ProxySecrets extends Stoppable {
  readonly sources: Pick<
    ProxyServerOptions,
    'clientTokens' | 'gitalyTokens' | 'certificate' | 'storageCa'
  >;
}

/** Reads every secret that the configuration names. Rejects with what to do if one is unusable. */
export async function startProxySecrets(
  config: ProxyConfig,
  options: { readonly clock: Clock; readonly logger: Logger },
): Promise<ProxySecrets> {
  const scope = new Scope();
  const reload = async <T>(read: () => Promise<T>) =>
    scope.own(await Reloaded.start({ ...options, read }));
  try {
    const clientTokens = await reload(() => readTokens(config.clientTokenDir));
    const gitalyTokens = await reload(() => readTokens(config.gitalyTokenDir));
    const { tls, storageCaFile } = config;
    const certificate = tls && (await reload(() => readCertificate(tls)));
    const storageCa = storageCaFile && (await reload(() => readAuthorities(storageCaFile)));
    return {
      sources: {
        clientTokens: () => clientTokens.current,
        gitalyTokens: () => gitalyTokens.current,
        ...(certificate && { certificate: () => certificate.current }),
        ...(storageCa && { storageCa: () => storageCa.current }),
      },
      stop: () => scope.stop(),
    };
  } catch (error) {
    await scope.stop();
    throw error;
  }
}
