import { readFile } from 'node:fs/promises';

/** Linux counts in ticks of 10 ms on every machine that Node.js runs on. */
const tickMs = 10;

/** CPU time that a process has used so far, user and system, in ms. Linux only. */
export async function cpuMsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name before may hold spaces and parentheses; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** What a process has in RAM, in MiB. Linux only. */
export async function residentMiBOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`the kernel does not tell what memory process ${pid} has`);
  return Number(kib) / 1024;
}

/** The processes that a process has started and that run. Linux only. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
