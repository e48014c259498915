import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';

/**
 * The metadata that makes a storage cast votes on a call, to whoever has sent it.
 *
 * @param isPrimary whether the storage asks GitLab if a push is allowed
 */
export function transactionHeader(id: bigint, storage: string, isPrimary: boolean): HeaderField {
  const transaction = JSON.stringify({ id: Number(id), node: storage, primary: isPrimary });
  return headerField('gitaly-reference-transaction', Buffer.from(transaction).toString('base64'));
}
