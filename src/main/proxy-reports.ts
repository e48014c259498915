import type { Registry } from 'prom-client';
import type { HttpAnswers } from '../proxy/admin/http-server.ts';

/** What a proxy tells of itself. */
export interface ProxyReports {
  /** Why it should get no calls now, or undefined if it should. */
  notReady(): string | undefined;
  readonly metrics: Registry;
  /** What takes a look into the database, or undefined while that is not open. */
  databaseMetrics(): Registry | undefined;
}

/** The reports of one proxy, for HTTP. */
export function httpAnswers(reports: ProxyReports): HttpAnswers {
  return {
    notReady: async () => reports.notReady(),
    metrics: () => reports.metrics.metrics(),
    databaseMetrics: async () => reports.databaseMetrics()?.metrics(),
  };
}
