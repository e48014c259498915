import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorMessage } from '../base/errors.ts';
import type { ServerTls } from '../proxy/wire/socket-transport.ts';

/** A certificate with its key, and when it ends. */
export interface Certificate extends ServerTls {
  readonly notAfterMs: number;
}

/** PEM files: the certificate with those that signed it after it, and its key. */
export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/**
 * Reads a certificate and its key. An expired one is taken, as everybody can see what is wrong with it.
 *
 * Rejects with an error that says which file is wrong, and what to do; never with its contents.
 */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  try {
    return await readOnce(files);
  } catch {
    // One of the two may have been replaced between the reads.
    return readOnce(files);
  }
}

/** Certificates to trust, in PEM. Rejects as {@link readCertificate} does. */
export async function readAuthorities(file: string): Promise<string> {
  const pem = await readPem(file);
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (certificates === null) throw unusable(file, 'it holds no certificate in PEM');
  for (const certificate of certificates) parseCertificate(file, certificate);
  return pem;
}

async function readOnce({ certificateFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const [cert, key] = [await readPem(certificateFile), await readPem(keyFile)];
  const parsed = parseCertificate(certificateFile, cert);
  if (!parsed.checkPrivateKey(parseKey(keyFile, key))) {
    throw unusable(keyFile, `it is not the key of the certificate in ${certificateFile}`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw unusable(certificateFile, errorMessage(error));
  }
  return { cert, key, notAfterMs: Date.parse(parsed.validTo) };
}

function parseCertificate(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw unusable(file, 'it holds no certificate in PEM');
  }
}

function parseKey(file: string, pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    throw unusable(file, 'it holds no private key in PEM, or one with a password');
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, errorMessage(error));
  }
}

function unusable(file: string, problem: string): Error {
  return new Error(
    `${file} cannot be used: ${problem}; check the Secret or the file that it comes from`,
  );
}
