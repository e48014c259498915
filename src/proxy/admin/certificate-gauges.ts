import { Gauge } from 'prom-client';
import type { StorageDirectory } from '../upstream/storage-directory.ts';

/** When the certificate ends that clients are shown at this moment. */
export function certificateGauge(certificate: () => { readonly notAfterMs: number }): Gauge {
  return new Gauge({
    name: 'gitaly_proxy_certificate_not_after_seconds',
    help: 'When the certificate that clients are shown ends, in seconds since 1970.',
    aggregator: 'min',
    registers: [],
    collect() {
      this.set(certificate().notAfterMs / 1000);
    },
  });
}

/** When the certificates of the storages end; one without TLS is left out. */
export function storageCertificateGauge(storages: StorageDirectory): Gauge {
  return new Gauge({
    name: 'gitaly_proxy_storage_certificate_not_after_seconds',
    help: 'When the certificate ends that a storage showed when this proxy connected.',
    aggregator: 'min',
    labelNames: ['virtual_storage', 'storage'],
    registers: [],
    collect() {
      for (const { name, storages: members } of storages.all) {
        for (const { name: storage, certificateNotAfterMs } of members) {
          if (certificateNotAfterMs === undefined) continue;
          this.set({ virtual_storage: name, storage }, certificateNotAfterMs / 1000);
        }
      }
    },
  });
}
