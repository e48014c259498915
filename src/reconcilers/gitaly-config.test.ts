import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { parse } from 'smol-toml';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { gitalyConfig, gitalyConfigChecksum } from './gitaly-config.ts';

describe("Gitaly's configuration", () => {
  test('is TOML that says what Gitaly needs', () => {
    const context = clusterContext({
      gitaly: { image: 'gitaly:1', gracefulRestartTimeoutSeconds: 25 },
      gitlab: { url: 'http://gitlab:8181', secretRef: { name: 'shell' } },
    });
    expect(parse(gitalyConfig({ context, storage: 'gitaly-default-0', token: 'abc' }))).toEqual({
      bin_dir: '/usr/local/bin',
      runtime_dir: '/run/gitaly',
      listen_addr: '0.0.0.0:8075',
      prometheus_listen_addr: '0.0.0.0:9236',
      graceful_restart_timeout: '25s',
      storage: [{ name: 'gitaly-default-0', path: '/home/git/repositories' }],
      auth: { token: 'abc' },
      logging: { format: 'json', level: 'info' },
      git: { use_bundled_binaries: true, ignore_gitconfig: true },
      gitlab: { url: 'http://gitlab:8181', secret_file: '/etc/gitaly-gitlab/secret' },
    });
  });

  test('has a second port with a certificate if the spec asks for TLS', () => {
    const context = clusterContext({ tls: { storages: { secretRef: { name: 'storage-tls' } } } });
    expect(parse(gitalyConfig({ context, storage: 's', token: 't' }))).toMatchObject({
      listen_addr: '0.0.0.0:8075',
      tls_listen_addr: '0.0.0.0:8076',
      tls: { certificate_path: '/etc/gitaly-tls/tls.crt', key_path: '/etc/gitaly-tls/tls.key' },
    });
  });

  test('has a GitLab that never answers if there is none, as Gitaly does not start without', () => {
    const config = parse(gitalyConfig({ context: clusterContext(), storage: 's', token: 't' }));
    expect(config['gitlab']).toEqual({
      url: 'http://gitlab-is-not-configured.invalid',
      secret: 'not configured',
    });
  });

  test('keeps a token as it is, whatever its characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (token) => {
        const config = parse(gitalyConfig({ context: clusterContext(), storage: 's', token }));
        expect(config['auth']).toEqual({ token });
      }),
    );
  });

  test('keeps control characters in a token', () => {
    const token = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join('');
    const config = parse(gitalyConfig({ context: clusterContext(), storage: 's', token }));
    expect(config['auth']).toEqual({ token });
  });
});

describe('the checksum of the configuration', () => {
  const digest = (text: string) => text;
  const checksum = (spec: Parameters<typeof clusterContext>[0], token = 't') =>
    gitalyConfigChecksum({ ...clusterContext(spec), digest }, token);

  test('stays when storages or virtual storages are added', () => {
    expect(checksum({ virtualStorages: [{ name: 'default', storages: 5 }, { name: 'b' }] })).toBe(
      checksum({ virtualStorages: [{ name: 'default', storages: 3 }] }),
    );
  });

  test('changes with what a Gitaly reads at its start', () => {
    const plain = checksum({});
    expect(checksum({}, 'another token')).not.toBe(plain);
    const longer = { image: 'gitaly:1', gracefulRestartTimeoutSeconds: 61 };
    expect(checksum({ gitaly: longer })).not.toBe(plain);
    const gitlab = { url: 'http://gitlab', secretRef: { name: 's' } };
    expect(checksum({ gitlab })).not.toBe(plain);
  });
});
