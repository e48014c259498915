import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CertificateAuthority } from '../../test/support/certificate-authority.ts';
import { readAuthorities, readCertificate } from './certificate.ts';

const authority = new CertificateAuthority();
const [first, second] = [authority.issue(), authority.issue()];
const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
const files = { certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };

beforeEach(() => {
  copyFileSync(first.certificateFile, files.certificateFile);
  copyFileSync(first.keyFile, files.keyFile);
});
afterAll(() => {
  authority.remove();
  rmSync(folder, { recursive: true });
});

describe('a certificate in files', () => {
  test('is read with its key, and with when it ends', async () => {
    const { cert, key, notAfterMs } = await readCertificate(files);
    expect([cert, key]).toEqual([first.cert, first.key]);
    const inDays = (notAfterMs - Date.now()) / 86_400_000;
    expect(inDays).toBeGreaterThan(1.9);
    expect(inDays).toBeLessThanOrEqual(2);
  });

  test.each([
    ['a key of another certificate', () => writeFileSync(files.keyFile, second.key), 'tls.key'],
    ['a certificate cut short', () => truncate(files.certificateFile), 'tls.crt'],
    ['a key cut short', () => truncate(files.keyFile), 'tls.key'],
    ['no certificate', () => rmSync(files.certificateFile), 'tls.crt'],
    ['an empty key', () => writeFileSync(files.keyFile, ''), 'tls.key'],
  ])('is refused with %s, which the error names and does not show', async (_, spoil, name) => {
    spoil();
    const problem = await readCertificate(files).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(problem).toContain(`${join(folder, name)} cannot be used: `);
    expect(problem).toContain('check the Secret');
    expect(problem).not.toMatch(/PRIVATE|MII/);
  });
});

describe('certificates to trust', () => {
  test('may be several in one file', async () => {
    const other = new CertificateAuthority();
    const bundle = `${authority.cert}${other.cert}`;
    other.remove();
    writeFileSync(files.certificateFile, bundle);
    expect(await readAuthorities(files.certificateFile)).toBe(bundle);
  });

  test('have to be readable, each of them', async () => {
    writeFileSync(files.certificateFile, 'nothing');
    await expect(readAuthorities(files.certificateFile)).rejects.toThrow(/holds no certificate/);
    const broken = authority.cert.replace(/\n.{10}/, '\n');
    writeFileSync(files.certificateFile, `${authority.cert}${broken}`);
    await expect(readAuthorities(files.certificateFile)).rejects.toThrow(/holds no certificate/);
  });
});

function truncate(file: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.slice(0, text.length / 2));
}
