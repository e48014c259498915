#!/usr/bin/env node
import type { Writable } from 'node:stream';
import { runCli } from '../cli/program.ts';

const { stdin, stdout, stderr, env, argv } = process;

// Whoever reads may leave at any time; the writes tell that to those who wait for them.
stdout.on('error', () => {});
stderr.on('error', () => {});

// The timers of the clock keep no process alive, and a command may have nothing else to wait for.
setInterval(() => {}, 60_000);
const exitCode = await runCli(argv.slice(2), { stdin, stdout, stderr, env });
await Promise.all([flushed(stdout), flushed(stderr)]);
// Open input keeps a process alive, and so does, for minutes, a connection that nobody answers.
process.exit(exitCode);

/** Resolves when all that was written is with the reader, or the reader is gone. */
function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });
}
