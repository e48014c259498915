import { describe, expect, it } from '@jest/globals';
import { fc } from '../support/properties.ts';
import { tarHeader } from './tar.ts';

const text = (header: Buffer, at: number, length: number) =>
  header.toString('utf8', at, at + length).replace(/\0.*$/s, '');
const number = (header: Buffer, at: number, length: number) =>
  Number.parseInt(text(header, at, length), 8);

describe('a tar header', () => {
  it('says what a file is', () => {
    const header = tarHeader({
      kind: 'file',
      path: 'bin/run',
      mode: 0o755,
      owner: 1000,
      content: 'four',
    });
    expect(header).toHaveLength(512);
    expect(text(header, 0, 100)).toBe('bin/run');
    expect(number(header, 100, 8)).toBe(0o755);
    expect(number(header, 108, 8)).toBe(1000);
    expect(number(header, 116, 8)).toBe(1000);
    expect(number(header, 124, 12)).toBe(4);
    expect(number(header, 136, 12)).toBe(0);
    expect(text(header, 156, 1)).toBe('0');
    expect(header.toString('latin1', 257, 265)).toBe('ustar\u000000');
  });

  it('ends the path of a directory with a slash', () => {
    const header = tarHeader({ kind: 'directory', path: 'app' });
    expect(text(header, 0, 100)).toBe('app/');
    expect(text(header, 156, 1)).toBe('5');
  });

  it('holds the target of a link', () => {
    const header = tarHeader({ kind: 'symlink', path: 'bin/sh', target: 'busybox' });
    expect(text(header, 157, 100)).toBe('busybox');
    expect(text(header, 156, 1)).toBe('2');
    expect(number(header, 124, 12)).toBe(0);
  });

  it('carries a checksum that counts itself as blanks', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z/]{1,80}$/), fc.nat(0o7777), (path, mode) => {
        const header = tarHeader({ kind: 'file', path, mode, content: '' });
        const blanked = Buffer.from(header).fill(' ', 148, 156);
        expect(number(header, 148, 8)).toBe(blanked.reduce((sum, byte) => sum + byte, 0));
      }),
    );
  });

  it('splits a long path between folders, so that both parts fit', () => {
    const segment = fc.stringMatching(/^[a-z]{1,30}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 7 }), (segments) => {
        const path = segments.join('/');
        const header = tarHeader({ kind: 'file', path, content: '' });
        const prefix = text(header, 345, 155);
        const name = text(header, 0, 100);
        expect(prefix === '' ? name : `${prefix}/${name}`).toBe(path);
      }),
    );
  });

  it('refuses what does not fit', () => {
    const long = 'x'.repeat(101);
    expect(() => tarHeader({ kind: 'file', path: long, content: '' })).toThrow('too long');
    expect(() => tarHeader({ kind: 'symlink', path: 'a', target: long })).toThrow('too long');
  });
});
