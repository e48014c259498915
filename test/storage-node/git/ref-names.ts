/** Why a reference name is no good, in Gitaly's words; undefined if it is good (git-check-ref-format(1)). */
export function referenceFault(name: string): string | undefined {
  if (name === 'HEAD') return 'HEAD reference not allowed';
  if (!name.startsWith('refs/')) return 'reference is not fully qualified';
  if (name.endsWith('/')) return 'reference must not end with slash';
  if (name.endsWith('.')) return 'reference must not end with dot';
  if (name.includes('@{')) return 'reference must not contain @{';
  if (name.includes('..')) return 'reference must not contain double dots';
  if (name.includes(' ')) return 'reference must not contain space characters';
  if (/[~^:?*[\\]/.test(name)) return 'reference must not contain special characters';
  if (/\p{Cc}/u.test(name)) return 'reference must not contain control characters';
  const parts = name.split('/');
  if (parts.includes('')) return 'empty component is not allowed';
  if (parts.some((part) => part.startsWith('.'))) return 'component must not start with dot';
  if (parts.some((part) => part.endsWith('.lock'))) return 'component must not end with .lock';
  return undefined;
}

/** Why a revision is no good, in Gitaly's words; undefined if it is good. */
export function revisionFault(revision: string): string | undefined {
  if (revision === '') return 'empty revision';
  if (revision.startsWith('-')) return "revision can't start with '-'";
  if (revision.includes('\0')) return "revision can't contain NUL";
  if (/\s/.test(revision)) return "revision can't contain whitespace";
  if (revision.includes(':')) return "revision can't contain ':'";
  if (revision.includes('\\')) return "revision can't contain '\\'";
  return undefined;
}
