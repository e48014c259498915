/** What metadata `gitaly-reference-transaction` says. */
export interface TransactionMetadata {
  readonly id: bigint;
  /** Our name in the transaction: the storage. */
  readonly node: string;
  readonly primary: boolean;
}

/**
 * Reads base64 of `{"id":<uint64>,"node":"<storage>","primary":<bool>}`.
 *
 * @throws Error with Gitaly's text, as far as it is known
 */
export function parseTransaction(header: string): TransactionMetadata {
  const json = Buffer.from(header, 'base64').toString();
  let fields: { node?: unknown; primary?: unknown };
  try {
    fields = JSON.parse(json) as typeof fields;
  } catch {
    throw new Error(`from serialized: ${goJsonError(json)}`);
  }
  // JSON.parse would round ids above 2^53.
  const id = BigInt(/"id"\s*:\s*(\d+)/.exec(json)?.[1] ?? '0');
  const node = typeof fields.node === 'string' ? fields.node : '';
  return { id, node, primary: fields.primary === true };
}

/** How Go's decoder words it where a literal was expected; a general text for all else. */
function goJsonError(json: string): string {
  const literal = ['null', 'true', 'false'].find((word) => word[0] === json[0]);
  const at = Array.from(literal ?? '').findIndex((letter, i) => letter !== json[i]);
  if (literal === undefined || at < 0) return 'invalid JSON';
  return `invalid character '${json[at]}' in literal ${literal} (expecting '${literal[at]}')`;
}
