import { describe, expect, test } from '@jest/globals';
import { grpcAddresses, readHostAndPort } from './listen-address.ts';

const certificate = () => ({ key: '', cert: '' });

describe('where clients find the proxy', () => {
  test('may be an address in plain text, one with TLS, and a unix socket', () => {
    const config = {
      grpcListen: '0.0.0.0:8075',
      grpcTlsListen: '[::]:8076',
      grpcSocket: 'unix:/run/proxy.socket',
      grpcSocketMode: '0660',
    };
    expect(grpcAddresses(config, certificate)).toEqual([
      { kind: 'tcp', endpoint: { host: '0.0.0.0', port: 8075 } },
      { kind: 'tls', endpoint: { host: '::', port: 8076 }, tls: certificate },
      { kind: 'unix', endpoint: { path: '/run/proxy.socket', mode: 0o660 } },
    ]);
  });

  test('may be the one with TLS alone', () => {
    const [only, ...others] = grpcAddresses({ grpcTlsListen: 'localhost:0' }, certificate);
    expect([only?.kind, others]).toEqual(['tls', []]);
  });

  test.each([
    [{}, /set grpcListen, grpcTlsListen or grpcSocket/],
    [{ grpcTlsListen: 'localhost:8076' }, /needs a certificate/],
    [{ grpcListen: '8075' }, /use host:port/],
    [{ grpcListen: 'unix:/run/proxy.socket' }, /use host:port/],
    [{ grpcSocket: '/run/proxy.socket' }, /use unix:\/path/],
    [{ grpcSocket: 'unix:/run/proxy.socket', grpcSocketMode: 'rw' }, /like 0660/],
  ])('is told how to be written if it is %j', (config, problem) => {
    expect(() => grpcAddresses(config, undefined)).toThrow(problem);
  });

  test('names an IPv6 address in brackets', () => {
    expect(readHostAndPort('[::1]:80')).toEqual({ host: '::1', port: 80 });
    expect(() => readHostAndPort('::1:80')).toThrow(/use host:port/);
  });
});
