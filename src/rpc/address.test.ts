import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { formatAddress, formatHostAndPort, parseAddress } from './address.ts';

describe('an address', () => {
  test.each([
    ['tcp://gitaly-0:8075', { kind: 'tcp', host: 'gitaly-0', port: 8075, tls: false }],
    ['tcp://[::1]:8075', { kind: 'tcp', host: '::1', port: 8075, tls: false }],
    ['tls://gitaly-0:9999', { kind: 'tcp', host: 'gitaly-0', port: 9999, tls: true }],
    ['dns:///proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: false }],
    ['dns:proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: false }],
    ['dns+tls:proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: true }],
    ['dns+tls:///proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: true }],
    ['unix:/run/gitaly.sock', { kind: 'unix', path: '/run/gitaly.sock' }],
    ['unix:///run/gitaly.sock', { kind: 'unix', path: '/run/gitaly.sock' }],
  ])('%s is understood', (text, address) => {
    expect(parseAddress(text)).toEqual({ kind: 'valid', address });
  });

  test.each([
    '',
    'gitaly-0:8075',
    'tcp://gitaly-0',
    'tcp://gitaly-0:0',
    'tcp://gitaly-0:65536',
    'tcp://::1:8075',
    'tcp://:8075',
    'tcp://host:1/path',
    'tcp://user@host:1',
    'tcp://two words:1',
    'dns://8.8.8.8/proxy:2305',
    'unix:relative.sock',
    'unix:',
    'http://host:80',
  ])('%p is refused with the forms that would do', (text) => {
    expect(parseAddress(text)).toEqual({
      kind: 'invalid',
      message: expect.stringContaining('tcp://host:port'),
    });
  });

  test('is read as what was written', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    const kind = fc.constantFrom('tcp' as const, 'dns' as const);
    const anyAddress = fc.oneof(
      fc.record({ kind, host, port, tls: fc.boolean() }),
      fc.record({ kind: fc.constant('unix' as const), path: fc.constant('/a b/c.sock') }),
    );
    fc.assert(
      fc.property(anyAddress, (address) => {
        expect(parseAddress(formatAddress(address))).toEqual({ kind: 'valid', address });
      }),
    );
  });

  test('gets brackets around an IPv6 host', () => {
    expect(formatHostAndPort('::1', 1)).toBe('[::1]:1');
    expect(formatHostAndPort('127.0.0.1', 1)).toBe('127.0.0.1:1');
  });
});
