import { readFile } from 'node:fs/promises';
import { loadAll } from 'js-yaml';

/** How Prometheus finds the proxies, as far as tests look at it. */
export interface ServiceMonitor {
  readonly kind: 'ServiceMonitor';
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly endpoints: readonly { readonly port: string; readonly path?: string }[];
  };
}

/** Alerts; their spec is what Prometheus itself takes for a file with rules. */
export interface PrometheusRule {
  readonly kind: 'PrometheusRule';
  readonly spec: {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
  };
}

/** What examples/monitoring.yaml has. */
export async function monitoringManifests(): Promise<
  readonly [monitor: ServiceMonitor, rule: PrometheusRule]
> {
  const text = await readFile(new URL('../../examples/monitoring.yaml', import.meta.url), 'utf8');
  const [monitor, rule] = loadAll(text) as [ServiceMonitor, PrometheusRule];
  return [monitor, rule];
}
