import { create } from '@bufbuild/protobuf';
import {
  type CommitAuthor,
  CommitAuthorSchema,
  type GitCommit,
  GitCommitSchema,
  SignatureType,
} from '../../../src/gen/gitaly/shared_pb.ts';

/** Longer bodies are cut; `bodySize` tells how long they are. */
const maxBodyLength = 10 * 1024 * 1024;

/** A commit object's content as the message that GitLab gets. */
export function parseCommit(id: string, content: Buffer): GitCommit {
  const end = content.indexOf('\n\n');
  const header = end < 0 ? content : content.subarray(0, end);
  const body = end < 0 ? Buffer.alloc(0) : content.subarray(end + 2);
  const lines = header.toString('latin1').split('\n');
  const values = (name: string) =>
    lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  return create(GitCommitSchema, {
    id,
    subject: subjectOf(body),
    body: body.subarray(0, maxBodyLength),
    bodySize: BigInt(body.length),
    ...authorFields(values('author')[0], values('committer')[0]),
    parentIds: values('parent'),
    treeId: values('tree')[0] ?? '',
    encoding: values('encoding')[0] ?? '',
    signatureType: signatureType(values('gpgsig')[0]),
  });
}

/** The first line, up to the first empty one as git has it. */
function subjectOf(body: Buffer): Buffer {
  const end = body.indexOf('\n');
  return end < 0 ? body : body.subarray(0, end);
}

function authorFields(author: string | undefined, committer: string | undefined) {
  return {
    ...(author === undefined ? {} : { author: parseSignature(author) }),
    ...(committer === undefined ? {} : { committer: parseSignature(committer) }),
  };
}

/** `Name <email> seconds zone`, in latin1 so that every byte is kept. */
function parseSignature(line: string): CommitAuthor {
  const match = /^(.*?) ?<(.*)> (-?\d+) ([+-]\d+)$/.exec(line);
  const [, name = '', email = '', seconds = '0', timezone = ''] = match ?? [];
  const bytes = (text: string) => Buffer.from(text, 'latin1');
  return create(CommitAuthorSchema, {
    name: bytes(name),
    email: bytes(email),
    date: { seconds: BigInt(seconds) },
    timezone: bytes(timezone),
  });
}

function signatureType(signature: string | undefined): SignatureType {
  if (signature === undefined) return SignatureType.NONE;
  if (signature.startsWith('-----BEGIN SSH')) return SignatureType.SSH;
  return signature.startsWith('-----BEGIN SIGNED') ? SignatureType.X509 : SignatureType.PGP;
}
