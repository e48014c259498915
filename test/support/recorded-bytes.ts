import { existsSync, readFileSync } from 'node:fs';

/** The first bytes of a connection between a proxy and a real Gitaly, each way. */
export interface RecordedConnection {
  readonly name: string;
  /** Begins with the magic. */
  readonly fromClient: Buffer;
  readonly fromServer: Buffer;
}

const file = new URL('../../../shared/recordings/9-raw-bytes.jsonl', import.meta.url);

interface Line {
  readonly case: string;
  readonly client_to_server: { readonly first_bytes_hex: string };
  readonly server_to_client: { readonly first_bytes_hex: string };
}

/** The recordings; none where there is no `../shared/recordings` beside the project. */
export function recordedConnections(): readonly RecordedConnection[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((text) => {
    const line = JSON.parse(text) as Line;
    return {
      name: line.case,
      fromClient: Buffer.from(line.client_to_server.first_bytes_hex, 'hex'),
      fromServer: Buffer.from(line.server_to_client.first_bytes_hex, 'hex'),
    };
  });
}
