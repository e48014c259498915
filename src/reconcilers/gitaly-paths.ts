/** Where things are in a Gitaly pod. */
export const gitalyPaths = {
  config: '/etc/gitaly/config.toml',
  /** Folder with the Secret that Gitaly shares with GitLab, as `secret`. */
  gitlabSecret: '/etc/gitaly-gitlab',
  /** Folder with the certificate and its key. */
  tls: '/etc/gitaly-tls',
  /** Folder with the authority that the other storages' certificates are signed by. */
  tlsAuthority: '/etc/gitaly-tls-ca',
  repositories: '/home/git/repositories',
  /** Gitaly unpacks its git into it and runs it from there. */
  runtime: '/run/gitaly',
} as const;
