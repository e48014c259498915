/** What a storage is told to go on with: a write of that transaction, or a copy. */
export type Committed =
  { readonly kind: 'write'; readonly transaction: string } | { readonly kind: 'copy' };

/** Called whenever a proxy tells a storage to commit what it has prepared. */
export type OnCommit = (what: Committed, storage: string) => void;
