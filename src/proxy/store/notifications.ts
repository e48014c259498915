import type { QueryConfig } from 'pg';
import type { Announcement } from './announcement.ts';
import { keyFromRow, recordFromRow, type RepositoryRow } from './records.ts';

/** Where the database announces changes of repositories (see the migrations). */
const repositoryChannel = 'gitaly_repositories';
/** Where proxies tell each other what they have taken note of. Nothing is stored. */
const acknowledgementChannel = 'gitaly_acknowledgements';

export const channels: readonly string[] = [repositoryChannel, acknowledgementChannel];

/** The statement that tells the other proxies. */
export function acknowledge(owner: string, id: bigint, version: bigint): QueryConfig {
  const payload = JSON.stringify({ owner, id: String(id), version: String(version) });
  return {
    name: 'acknowledge',
    text: 'SELECT pg_notify($1, $2)',
    values: [acknowledgementChannel, payload],
  };
}

/** What a notification says, or undefined if it is not one that this version of the proxy knows. */
export function parseNotification(channel: string, payload: string): Announcement | undefined {
  try {
    return channel === acknowledgementChannel
      ? parseAcknowledgement(JSON.parse(payload) as AcknowledgementPayload)
      : parseChange(JSON.parse(payload) as ChangePayload);
  } catch {
    return undefined;
  }
}

interface AcknowledgementPayload {
  readonly owner: string;
  readonly id: string;
  readonly version: string;
}

type Keyed<Kind, Fields extends keyof RepositoryRow> = { readonly kind: Kind } & Pick<
  RepositoryRow,
  Fields | 'id' | 'virtual_storage' | 'relative_path'
>;

type ChangePayload =
  Keyed<'changed', keyof RepositoryRow> | Keyed<'invalidated', never> | Keyed<'removed', 'version'>;

function parseAcknowledgement({ owner, id, version }: AcknowledgementPayload): Announcement {
  return { kind: 'acknowledged', owner, id: BigInt(id), version: BigInt(version) };
}

function parseChange(payload: ChangePayload): Announcement | undefined {
  const id = BigInt(payload.id);
  switch (payload.kind) {
    case 'changed':
      return { kind: 'changed', record: recordFromRow(payload) };
    case 'invalidated':
      return { kind: 'invalidated', id, key: keyFromRow(payload) };
    case 'removed':
      return { kind: 'removed', id, key: keyFromRow(payload), version: BigInt(payload.version) };
    default:
      return undefined;
  }
}
