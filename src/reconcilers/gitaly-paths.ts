/** Where things are in a Gitaly pod. */
export const gitalyPaths = {
  config: '/etc/gitaly/config.toml',
  /** Folder with the Secret that Gitaly shares with GitLab, as `secret`. */
  gitlabSecret: '/etc/gitaly-gitlab',
  repositories: '/home/git/repositories',
  /** Gitaly unpacks its git into it and runs it from there. */
  runtime: '/run/gitaly',
} as const;
