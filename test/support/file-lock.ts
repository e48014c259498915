import { spawn } from 'node:child_process';
import { systemClock, withTimeout } from '../../src/base/clock.ts';

/**
 * Runs `work` while no other process of this machine holds the lock of that file. The lock falls
 * when the work ends, or this process, however it ends. Fails if others hold it for `limitMs`.
 */
export async function withFileLock<T>(
  file: string,
  limitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  // `cat` starts once the lock is held, answers what it is sent, and ends when its input does.
  const holder = spawn('flock', [file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<never>((_, reject) => {
    holder.once('error', reject);
    holder.once('exit', (code) => reject(new Error(`flock ${file} ended with status ${code}`)));
  });
  ended.catch(() => {}); // its end is expected once the work is done
  holder.stdin.on('error', () => {});
  try {
    const held = new Promise((resolve) => holder.stdout.once('data', resolve));
    holder.stdin.write('\n');
    const what = `the lock ${file}, which another process holds`;
    await withTimeout(systemClock, limitMs, what, Promise.race([held, ended]));
    return await work();
  } finally {
    holder.stdin.end();
    holder.kill();
  }
}
