import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';

/** Who is asked for a certificate. */
export interface CertificateHolder {
  readonly host: string;
  readonly port: number;
  /** The name that the certificate has to be for. */
  readonly name: string;
  /** The authority that has to have signed it, in PEM. */
  readonly ca: string;
}

const limitMs = 10_000;

/** The fingerprint of the certificate that a server shows. Rejects if it is not for that name, or not to be trusted. */
export function shownCertificate({ host, port, name, ca }: CertificateHolder): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: name, ca, ALPNProtocols: ['h2'] });
    socket.setTimeout(limitMs, () => socket.destroy(new Error(`${host} shows no certificate`)));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error(`${host} shows no certificate`));
      else resolve(certificate.fingerprint256);
    });
  });
}

/** The fingerprint of a certificate in PEM. */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}
