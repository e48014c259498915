import { describe, expect, test } from '@jest/globals';
import { serviceConfig } from './reads.ts';

interface ServiceConfig {
  readonly loadBalancingConfig: unknown;
  readonly methodConfig: readonly {
    readonly name: readonly { readonly service: string; readonly method: string }[];
    readonly retryPolicy: unknown;
  }[];
}

const config = JSON.parse(serviceConfig()) as ServiceConfig;
const retried = config.methodConfig.flatMap(({ name }) =>
  name.map(({ service, method }) => `${service}/${method}`),
);

describe('the service config', () => {
  test('spreads calls over all servers', () => {
    expect(config.loadBalancingConfig).toEqual([{ round_robin: {} }]);
  });

  test('retries reads', () => {
    expect(retried).toContain('gitaly.RepositoryService/RepositoryExists');
    expect(retried).toContain('gitaly.SmartHTTPService/InfoRefsUploadPack');
    expect(config.methodConfig[0]?.retryPolicy).toMatchObject({
      maxAttempts: 4,
      retryableStatusCodes: ['UNAVAILABLE'],
    });
  });

  test('names methods one by one: none covers a whole service', () => {
    expect(retried.filter((name) => !/^[\w.]+\/[A-Z]\w+$/.test(name))).toEqual([]);
  });

  test('retries nothing that may change something', () => {
    const writes =
      /Create(?!Bundle)|Write|Remove|Delete|Update|Replicate|Optimize|User|Link|Disconnect|Set|Mark|Vote|Stop|ReceivePack$/;
    const suspicious = retried.filter((name) => writes.test(name.split('/')[1] ?? ''));
    expect(suspicious).toEqual(['gitaly.SmartHTTPService/InfoRefsReceivePack']);
  });
});
