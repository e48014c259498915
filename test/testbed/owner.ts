import { rm, writeFile } from 'node:fs/promises';
import { isRunning, killAndWait, readRecord, recordOf } from './processes.ts';

/**
 * Names the process that is changing the testbed. One for the machine, as there is one set of
 * network names and addresses, wherever the state folder is.
 */
const file = '/run/gitaly-testbed.owner';

/**
 * Makes this process the only one that changes the testbed. Fails if another is at work; takes
 * over from one that has ended, however it ended.
 */
export async function claim(): Promise<void> {
  const self = await recordOf(process.pid);
  for (;;) {
    const claimed = await writeFile(file, JSON.stringify(self), { flag: 'wx' }).then(
      () => true,
      () => false,
    );
    if (claimed) return;
    const owner = await readRecord(file);
    if (owner !== undefined && owner.pid !== process.pid && (await isRunning(owner))) {
      throw new Error(
        `process ${owner.pid} is changing the testbed: wait for it, or end it with \`testbed down\``,
      );
    }
    await rm(file, { force: true });
  }
}

/** Lets others change the testbed. */
export async function release(): Promise<void> {
  await rm(file, { force: true });
}

/**
 * Ends whoever else is changing the testbed. What it was doing stays half done. A parent that
 * started this process to clean up after it, and waits for it, is spared.
 */
export async function evict(): Promise<void> {
  const owner = await readRecord(file);
  if (owner !== undefined && !isSelfOrParent(owner.pid)) await killAndWait(owner);
  await rm(file, { force: true });
}

function isSelfOrParent(pid: number): boolean {
  return pid === process.pid || pid === process.ppid;
}
