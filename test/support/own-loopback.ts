/**
 * An address of loopback that this process alone listens on. What is to come back at its old port does so
 * here: on an address that others use too, one of them may have got the port meanwhile.
 */
export const ownLoopback = loopbackOf(process.pid);

/** Process ids have 22 bits at most; what is left of 127.0.0.0/8 is for those who name an address. */
function loopbackOf(pid: number): string {
  return `127.${64 + ((pid >> 16) & 0x3f)}.${(pid >> 8) & 0xff}.${pid & 0xff}`;
}
