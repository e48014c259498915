import type { GitalyClient } from '../../src/client/gitaly-client.ts';

/** As calls name a repository. */
export interface NamedRepository {
  readonly storageName: string;
  readonly relativePath: string;
}

/** Longer than any wait of the proxies: whoever gives up sooner knows less. */
const deadlineMs = 25_000;

/** The ways to set a reference that are tried. */
export const setters = ['WriteRef', 'UpdateReferences'] as const;

/** What a reference is to point to. */
export interface ReferenceChange {
  readonly repository: NamedRepository;
  /** Its full name. */
  readonly ref: string;
  /** The id of a commit that the repository has. */
  readonly value: string;
}

/** Sets a reference, whatever it points to. */
export async function setReference(
  client: GitalyClient,
  method: (typeof setters)[number],
  { repository, ref, value }: ReferenceChange,
): Promise<void> {
  const [reference, newObjectId] = [Buffer.from(ref), Buffer.from(value)];
  if (method === 'WriteRef') {
    const request = { repository, ref: reference, revision: newObjectId };
    await client.repository.writeRef(request, { deadlineMs });
    return;
  }
  const call = await client.ref.updateReferences({ deadlineMs });
  await call.write({ repository, updates: [{ reference, newObjectId }] });
  await call.finish();
}

/** What one branch points to, in the form of {@link listReferences}: empty if there is no such branch. */
export async function findReference(
  client: GitalyClient,
  repository: NamedRepository,
  ref: string,
): Promise<ReadonlyMap<string, string>> {
  const request = { repository, revision: Buffer.from(ref) };
  const { commit } = await client.commit.findCommit(request, { deadlineMs });
  return new Map(commit === undefined ? [] : [[ref, commit.id]]);
}

/** What the branches of a repository point to, by their full names. */
export async function listReferences(
  client: GitalyClient,
  repository: NamedRepository,
): Promise<ReadonlyMap<string, string>> {
  const refs = new Map<string, string>();
  const request = { repository, patterns: [Buffer.from('refs/heads/')] };
  for await (const { references } of client.ref.listRefs(request, { deadlineMs })) {
    for (const { name, target } of references) refs.set(Buffer.from(name).toString(), target);
  }
  return refs;
}
