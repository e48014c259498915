import { readFile } from 'node:fs/promises';

/** Linux counts in ticks of 10 ms on every machine that Node.js runs on. */
const tickMs = 10;

/** The most memory that a process has had in RAM at once, or what it has there now: names of proc(5). */
type MemoryField = 'VmHWM' | 'VmRSS';

/** CPU time that a process has used so far, user and system, in ms. Linux only. */
export async function cpuMsOf(pid: number): Promise<number> {
  return cpuMsIn(await readFile(`/proc/${pid}/stat`, 'utf8'));
}

/** The same, from what is in /proc/PID/stat. */
export function cpuMsIn(stat: string): number {
  // The name before may hold spaces and parentheses; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** Memory of a process, in bytes. Linux only. */
export async function memoryOf(pid: number, field: MemoryField): Promise<number> {
  return memoryIn(await readFile(`/proc/${pid}/status`, 'utf8'), field);
}

/** What a process has in RAM, in MiB. Linux only. */
export async function residentMiBOf(pid: number): Promise<number> {
  return (await memoryOf(pid, 'VmRSS')) / 1024 ** 2;
}

/** The most that a process has had in RAM at once, in MiB. Linux only. */
export async function peakMiBOf(pid: number): Promise<number> {
  return (await memoryOf(pid, 'VmHWM')) / 1024 ** 2;
}

/** Memory, in bytes, from what is in /proc/PID/status. */
export function memoryIn(status: string, field: MemoryField): number {
  const kib = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kib === undefined) throw new Error(`there is no ${field}: the process has ended`);
  return Number(kib) * 1024;
}

/** The processes that a process has started and that run. Linux only. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
