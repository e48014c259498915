import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Address, formatAddress, parseAddress } from './address.ts';

describe('parseAddress', () => {
  test.each<[string, Address]>([
    [
      'tcp://gitaly-0.gitaly:8075',
      { kind: 'tcp', host: 'gitaly-0.gitaly', port: 8075, tls: false },
    ],
    ['tls://10.0.0.1:9999', { kind: 'tcp', host: '10.0.0.1', port: 9999, tls: true }],
    ['tcp://[::1]:1', { kind: 'tcp', host: '::1', port: 1, tls: false }],
    ['unix:/run/gitaly.sock', { kind: 'unix', path: '/run/gitaly.sock' }],
    ['unix:///run/gitaly.sock', { kind: 'unix', path: '/run/gitaly.sock' }],
    ['dns:///praefect:2305', { kind: 'dns', host: 'praefect', port: 2305, tls: false }],
    ['dns:praefect:2305', { kind: 'dns', host: 'praefect', port: 2305, tls: false }],
    ['dns+tls:///praefect:2305', { kind: 'dns', host: 'praefect', port: 2305, tls: true }],
    ['dns+tls:praefect:2305', { kind: 'dns', host: 'praefect', port: 2305, tls: true }],
  ])('reads %s', (text, address) => {
    expect(parseAddress(text)).toEqual({ kind: 'valid', address });
  });

  test.each([
    ['', /schemes/],
    ['gitaly:8075', /schemes/],
    ['http://gitaly:8075', /schemes/],
    ['tcp://gitaly', /host:port/],
    ['tcp://:8075', /host:port/],
    ['tcp://gitaly:8075/path', /host:port/],
    ['tcp://user@gitaly:8075', /host:port/],
    ['tcp://::1:8075', /host:port/],
    ['tcp://gitaly:0', /1 to 65535/],
    ['tcp://gitaly:65536', /1 to 65535/],
    ['unix:relative', /absolute path/],
    ['unix:', /absolute path/],
    ['dns://8.8.8.8/praefect:2305', /name server/],
  ])('refuses %j and says why', (text, message) => {
    const parsed = parseAddress(text);
    expect(parsed).toMatchObject({ kind: 'invalid', message: expect.stringMatching(message) });
  });

  test('reads what formatAddress writes', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    const kind = fc.constantFrom('tcp' as const, 'dns' as const);
    const address = fc.oneof(
      fc.record({ kind, host, port, tls: fc.boolean() }),
      fc.record({ kind: fc.constant('unix' as const), path: fc.constant('/a b/c.sock') }),
    );
    fc.assert(
      fc.property(address, (address) => {
        expect(parseAddress(formatAddress(address))).toEqual({ kind: 'valid', address });
      }),
    );
  });
});
