import { describe, expect, test } from '@jest/globals';
import { formatHostAndPort, parseAddress } from './address.ts';

describe('an address', () => {
  test.each([
    ['tcp://gitaly-0:8075', { kind: 'tcp', host: 'gitaly-0', port: 8075, tls: false }],
    ['tcp://[::1]:8075', { kind: 'tcp', host: '::1', port: 8075, tls: false }],
    ['tls://gitaly-0:9999', { kind: 'tcp', host: 'gitaly-0', port: 9999, tls: true }],
    ['dns:///proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: false }],
    ['dns:proxy.svc:2305', { kind: 'dns', host: 'proxy.svc', port: 2305, tls: false }],
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
    'tcp://host:1/path',
    'dns://8.8.8.8/proxy:2305',
    'unix:relative.sock',
    'http://host:80',
  ])('%p is refused with the forms that would do', (text) => {
    expect(parseAddress(text)).toEqual({
      kind: 'invalid',
      message: expect.stringContaining('tcp://host:port'),
    });
  });

  test('gets brackets around an IPv6 host', () => {
    expect(formatHostAndPort('::1', 1)).toBe('[::1]:1');
    expect(formatHostAndPort('127.0.0.1', 1)).toBe('127.0.0.1:1');
  });
});
