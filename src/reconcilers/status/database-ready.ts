import type { ConditionVerdict } from '../../api/conditions.ts';
import { databasePart } from '../managed-database.ts';
import type { SecretState } from '../observed-cluster.ts';
import { isPodReady, podProblem } from './pod-state.ts';
import { podsOf } from './pods-of.ts';
import type { StatusInput } from './status-input.ts';

const type = 'DatabaseReady';
const coordinates = ['host', 'port', 'dbname', 'username', 'password'];

/** Whether the proxies can reach their database. What a proxy says outweighs what pods look like. */
export function databaseReady(input: StatusInput): ConditionVerdict<'DatabaseReady'> {
  const { context, observed } = input;
  const { database } = context.spec;
  const secretProblem = judgeSecret(observed.databaseSecret, database.secretName);
  if (secretProblem) return secretProblem;
  const { report } = observed;
  if (report.kind === 'answered' && report.storeReachable) {
    return { type, status: 'True', reason: 'Reachable', message: `${report.proxy} reaches it` };
  }
  if (database.kind === 'managed') {
    const [pod] = podsOf(context, observed.pods, databasePart);
    if (!isPodReady(pod)) {
      const message = `the managed PostgreSQL server is not ready: ${podProblem(pod)}`;
      return { type, status: 'False', reason: 'ServerNotReady', message };
    }
  }
  if (report.kind === 'silent') {
    return { type, status: 'Unknown', reason: 'NoProxyAnswers', message: report.message };
  }
  const message =
    `${report.proxy} cannot reach the database: check that it runs, and the coordinates in Secret ` +
    database.secretName;
  return { type, status: 'False', reason: 'Unreachable', message };
}

function judgeSecret(
  secret: SecretState,
  name: string,
): ConditionVerdict<'DatabaseReady'> | undefined {
  if (secret.kind === 'missing') {
    const message =
      `Secret ${name} does not exist: create it with the key uri, or with ` +
      coordinates.join(', ');
    return { type, status: 'False', reason: 'SecretMissing', message };
  }
  if (secret.keys.includes('uri')) return undefined;
  const missing = coordinates.filter((key) => !secret.keys.includes(key));
  if (missing.length === 0) return undefined;
  const message = `Secret ${name} lacks ${missing.join(', ')}: add them, or the one key uri`;
  return { type, status: 'False', reason: 'SecretIncomplete', message };
}
