/**
 * Where a repository lies on its storages, as Praefect has it, so that replicas can be told from
 * what else is on a disk: two levels of folders from the hash of the id, then the id.
 *
 * @param sha256 the digest of a text
 */
export function replicaPath(
  id: bigint,
  relativePath: string,
  sha256: (text: string) => Uint8Array,
): string {
  const [first = 0, second = 0] = sha256(String(id));
  const prefix = isPoolPath(relativePath) ? '@cluster/pools' : '@cluster/repositories';
  return `${prefix}/${hex(first)}/${hex(second)}/${id}`;
}

/** Object pools lie apart: Gitaly must not prune what other repositories borrow from them. */
export function isPoolPath(relativePath: string): boolean {
  const match = /@pools\/([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{64})\.git$/.exec(relativePath);
  return match?.[3]?.startsWith(`${match[1]}${match[2]}`) ?? false;
}

/** The id of the object pool that lies there, or undefined where no cluster puts object pools. */
export function poolIdOf(path: string): bigint | undefined {
  const [, id] = /@cluster\/pools\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9]{1,19})$/.exec(path) ?? [];
  return id === undefined ? undefined : BigInt(id);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
