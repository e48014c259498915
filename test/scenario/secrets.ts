import type { Cluster } from '../testbed/cluster.ts';

/** Makes a Secret, or replaces what one of that name holds. */
export async function putSecret(
  cluster: Cluster,
  namespace: string,
  name: string,
  stringData: Readonly<Record<string, string>>,
): Promise<void> {
  const metadata = { name, namespace };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata, stringData };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(secret) });
}

/** What a token's Secret holds; null takes a key out, and one that is not named stays. */
export interface TokenChange {
  readonly token?: string;
  readonly 'previous-token'?: string | null;
}

/** Changes a token's Secret as an administrator does (docs/operations.md). */
export async function patchToken(
  cluster: Cluster,
  namespace: string,
  name: string,
  change: TokenChange,
): Promise<void> {
  const encoded = Object.entries(change).map(([key, text]) => [
    key,
    typeof text === 'string' ? Buffer.from(text).toString('base64') : text,
  ]);
  const patch = JSON.stringify({ data: Object.fromEntries(encoded) as object });
  await cluster.kubectl(['-n', namespace, 'patch', 'secret', name, '--type=merge', '-p', patch]);
}

/**
 * Has Kubernetes bring changed Secrets into running pods now. It looks at a pod's volumes when the pod
 * changes, and else once in a minute or so.
 */
export async function deliverSecrets(
  cluster: Cluster,
  namespace: string,
  selector: string,
): Promise<void> {
  const path = ['-n', namespace, 'annotate', 'pods', '-l', selector, '--overwrite'];
  await cluster.kubectl([...path, `gitaly.dev/delivered-at=${Date.now()}`]);
}
