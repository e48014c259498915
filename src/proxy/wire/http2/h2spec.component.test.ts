import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { describeWithGo } from '../../../../test/support/describe-with-go.ts';
import { goProgram, goProgramLimitMs } from '../../../../test/support/go-program.ts';
import { connectedClient } from './conformance/connected-client.ts';
import type { Http2Session } from './session.ts';
import { fieldsOf, Recorder, requestHead } from './testing.ts';

/** A line of the program `h2spec` in test/go. */
interface Line {
  readonly case: string;
  readonly title: string;
  /** Where the case awaits a client; its outcome is in the next line. */
  readonly port?: number;
  readonly outcome?: 'passed' | 'failed' | 'skipped';
}

/** The cases of h2spec 2.2.1 for clients. */
const caseCount = 57;
const runLimitMs = 120_000;

/** Connects, and makes a request whose end it does not send, so that the stream stays open. */
async function connectTo(port: number): Promise<Http2Session> {
  const session = await connectedClient(port, runLimitMs);
  session.request(fieldsOf(requestHead), true, new Recorder());
  return session;
}

/** Has a session of its own meet each case, and returns the outcomes. */
async function meetAll(program: string): Promise<readonly Line[]> {
  const child = spawn(program, ['-client'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const outcomes: Line[] = [];
  let session: Http2Session | undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    session?.destroy();
    if (line.port === undefined) outcomes.push(line);
    else session = await connectTo(line.port);
  }
  return outcomes;
}

describeWithGo('h2spec for clients, against a session (skipped without Go)', () => {
  test(
    'finds that every case passes',
    async () => {
      const outcomes = await meetAll(await goProgram('h2spec'));
      expect(outcomes.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
      expect(outcomes).toHaveLength(caseCount);
    },
    goProgramLimitMs + runLimitMs,
  );
});
