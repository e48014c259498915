import { describe, expect, test } from '@jest/globals';
import { errorMessage } from '../../../base/errors.ts';
import { frameFlag, frameType } from './frames.ts';
import { createPeer, dataFrame, frame } from './testing.ts';

const { ping } = frameType;
const { syn, ack } = frameFlag;

/** The header of our n-th ping, as hex. */
function pingHeader(number: number): string {
  return frame(ping, syn, 0, number).toString('hex');
}

/** What has become of a ping so far. */
function outcomeOf(ping: Promise<void>): () => string {
  let outcome = 'pending';
  ping.then(
    () => (outcome = 'answered'),
    (error: unknown) => (outcome = errorMessage(error)),
  );
  return () => outcome;
}

describe('a ping', () => {
  test('goes out after what was sent before, and is over when its answer has come', async () => {
    const peer = createPeer({ role: 'client' });
    const stream = peer.session.open();
    stream.start({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} });
    await peer.send();
    stream.write(Buffer.from('before'), 6);
    const outcome = outcomeOf(peer.session.ping(100));
    expect(await peer.send()).toBe(
      dataFrame(1, Buffer.from('before')).toString('hex') + pingHeader(1),
    );
    expect(await peer.send(frame(ping, ack, 0, 2))).toBe('');
    expect(outcome()).toBe('pending');
    await peer.send(frame(ping, ack, 0, 1));
    expect(outcome()).toBe('answered');
  });

  test('fails when its time is up, and an answer that comes then changes nothing', async () => {
    const peer = createPeer();
    const outcome = outcomeOf(peer.session.ping(100));
    await peer.send();
    await peer.clock.advance(100);
    expect(outcome()).toBe('the answer to a ping took longer than 100 ms');
    await peer.send(frame(ping, ack, 0, 1));
    expect(peer.session.closed).toBe(false);
  });

  test('fails when the session ends, and after that', async () => {
    const peer = createPeer();
    const outcome = outcomeOf(peer.session.ping(100));
    peer.session.destroy(new Error('enough'));
    await peer.send();
    expect(outcome()).toBe('enough');
    await expect(peer.session.ping(100)).rejects.toThrow('enough');
  });
});
