import { createHmac } from 'node:crypto';
import path from 'node:path';
import type { LocalRepository } from '../git/storages.ts';
import type { Quarantine } from './hook-channel.ts';

const timeoutMs = 60_000;

/** Who pushes, and how. */
export interface Pusher {
  /** Like `user-42` or `key-7`. */
  readonly glId: string;
  readonly glUsername: string;
  readonly protocol: 'ssh' | 'http' | 'web';
}

/** A push as GitLab is asked about it. */
export interface PushQuestion {
  readonly repository: LocalRepository;
  readonly pusher: Pusher;
  /** Lines `<old> <new> <ref>\n`. */
  readonly changes: Buffer;
  readonly pushOptions: readonly string[];
  readonly quarantine: Quarantine | undefined;
}

/** GitLab's internal API, as far as a push needs it. */
export interface GitLabApi {
  /** @throws Error with GitLab's text if the push is refused */
  allowed(question: PushQuestion): Promise<void>;
  /** @returns false if GitLab did not count the push */
  preReceive(glRepository: string): Promise<boolean>;
  /** @returns the messages for the person who pushes */
  postReceive(question: PushQuestion): Promise<readonly string[]>;
}

/** Allows everything: a node without `[gitlab] url`. */
export const permissiveGitLab: GitLabApi = {
  async allowed() {},
  preReceive: async () => true,
  postReceive: async () => [],
};

/** Asks a GitLab over HTTP; requests are signed with the shared secret as gitlab-shell does it. */
export class HttpGitLabApi implements GitLabApi {
  readonly #url: string;
  readonly #secret: string;

  constructor(options: { url: string; secret: string }) {
    this.#url = options.url.replace(/\/$/, '');
    this.#secret = options.secret;
  }

  async allowed(question: PushQuestion): Promise<void> {
    const { repository, pusher, changes, pushOptions } = question;
    const answer = await this.#post('allowed', {
      action: 'git-receive-pack',
      gl_repository: repository.glRepository,
      project: repository.path.replaceAll("'", ''),
      changes: changes.toString(),
      protocol: pusher.protocol,
      relative_path: repository.relativePath,
      env: JSON.stringify(quarantineFields(question)),
      push_options: pushOptions,
      ...identityFields(pusher.glId),
    });
    if (answer['status'] !== true) throw new Error(textOf(answer['message']) ?? 'not allowed');
  }

  async preReceive(glRepository: string): Promise<boolean> {
    const answer = await this.#post('pre_receive', { gl_repository: glRepository });
    return answer['reference_counter_increased'] === true;
  }

  async postReceive({ repository, pusher, changes, pushOptions }: PushQuestion): Promise<string[]> {
    const answer = await this.#post('post_receive', {
      gl_repository: repository.glRepository,
      identifier: pusher.glId,
      changes: changes.toString(),
      push_options: pushOptions,
    });
    const messages = (answer['messages'] ?? []) as readonly { message?: unknown }[];
    return messages.map(({ message }) => textOf(message) ?? '');
  }

  async #post(endpoint: string, body: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#url}/api/v4/internal/${endpoint}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'Gitlab-Shell-Api-Request': this.#token(),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    const answer = parseObject(text);
    if (response.ok || response.status === 300) return answer ?? {};
    throw new Error(textOf(answer?.['message']) ?? `Internal API error (${response.status})`);
  }

  /** A JSON Web Token, HS256. */
  #token(): string {
    const now = Math.floor(Date.now() / 1000);
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const header = encode({ alg: 'HS256', typ: 'JWT' });
    const claims = encode({ iss: 'gitlab-shell', iat: now, exp: now + 60 });
    const signature = createHmac('sha256', this.#secret).update(`${header}.${claims}`);
    return `${header}.${claims}.${signature.digest('base64url')}`;
  }
}

function identityFields(glId: string): Record<string, string> {
  const [kind, value = ''] = glId.split(/-(.*)/s);
  if (kind === 'user') return { user_id: value };
  if (kind === 'key') return { key_id: value };
  return { username: value };
}

/** Paths are relative to the repository: GitLab sees another root. */
function quarantineFields({ quarantine, repository }: PushQuestion): Record<string, unknown> {
  const relative = (folder: string) => path.relative(repository.path, folder);
  return {
    GIT_OBJECT_DIRECTORY_RELATIVE: quarantine ? relative(quarantine.objects) : '',
    GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE: quarantine?.alternates.map(relative) ?? null,
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
