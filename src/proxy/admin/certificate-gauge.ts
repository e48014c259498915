import { Gauge } from 'prom-client';

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
