import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, each in a file and as PEM. */
export interface IssuedCertificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Signs certificates for a test, in a folder of its own. */
export class CertificateAuthority {
  /** Its own certificate, and the file with it. */
  readonly cert: string;
  readonly file: string;
  readonly #folder: string;
  readonly #self: IssuedCertificate;
  #issued = 0;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'certificate-authority-'));
    this.#self = this.#make('ca', ['-subj', '/CN=authority of a test', '-days', '3']);
    this.cert = this.#self.cert;
    this.file = this.#self.certificateFile;
  }

  /** A new certificate, by default for everything on this machine. */
  issue({
    names = 'DNS:localhost,IP:127.0.0.1',
    days = 2,
  }: { readonly names?: string; readonly days?: number } = {}): IssuedCertificate {
    this.#issued += 1;
    const extensions = ['basicConstraints=CA:FALSE', `subjectAltName=${names}`];
    const signer = ['-CA', this.#self.certificateFile, '-CAkey', this.#self.keyFile];
    const subject = ['-subj', `/CN=issued ${this.#issued}`, '-days', String(days)];
    return this.#make(`issued-${this.#issued}`, [
      ...signer,
      ...subject,
      ...extensions.flatMap((extension) => ['-addext', extension]),
    ]);
  }

  /** Removes all files. */
  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #make(name: string, options: readonly string[]): IssuedCertificate {
    const certificateFile = join(this.#folder, `${name}.crt`);
    const keyFile = join(this.#folder, `${name}.key`);
    const files = ['-keyout', keyFile, '-out', certificateFile];
    execFileSync('openssl', ['req', '-x509', ...newKey, ...options, ...files], { stdio: 'ignore' });
    const [cert, key] = [certificateFile, keyFile].map((file) => readFileSync(file, 'utf8'));
    return { certificateFile, keyFile, cert: cert ?? '', key: key ?? '' };
  }
}
