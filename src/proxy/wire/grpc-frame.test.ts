import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeMessage, GrpcMessageReader } from './grpc-frame.ts';

describe('reading gRPC messages', () => {
  it('puts them together however the bytes are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 20 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(encodeMessage));
        const reader = new GrpcMessageReader({ maxBytes: 50 });
        const received: Uint8Array[] = [];
        for (let start = 0, turn = 0; start < bytes.length; turn++) {
          const end = Math.min(bytes.length, start + (cuts[turn % cuts.length] ?? bytes.length));
          const read = reader.push(bytes, start, end);
          if (read.kind === 'messages')
            received.push(...read.messages.map((m) => new Uint8Array(m)));
          start = end;
        }
        expect(received).toEqual(sent);
        expect(reader.atBoundary).toBe(true);
      }),
    );
  });

  it('refuses messages that are too long as soon as it knows, and compressed ones', () => {
    const reader = () => new GrpcMessageReader({ maxBytes: 3 });
    const long = encodeMessage(new Uint8Array(4));
    expect(reader().push(long, 0, 5)).toMatchObject({ kind: 'invalid' });
    const compressed = encodeMessage(new Uint8Array(1));
    compressed[0] = 1;
    expect(reader().push(compressed, 0, 6)).toMatchObject({ kind: 'invalid' });
  });
});
