import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { damaged, inPieces, pieceSizes } from '../../../test/support/damaged-bytes.ts';
import { MessageBoundary } from '../relay/message-boundary.ts';
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

  it('keeps no more than one message, and never throws, whatever comes', () => {
    const messages = fc
      .array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 })
      .map((list) => Buffer.concat(list.map(encodeMessage)));
    fc.assert(
      fc.property(damaged(messages), pieceSizes, (bytes, sizes) => {
        const reader = new GrpcMessageReader({ maxBytes: 50 });
        const boundary = new MessageBoundary();
        for (const piece of inPieces(bytes, sizes)) {
          const read = reader.push(piece, 0, piece.length);
          if (read.kind === 'invalid') return;
          for (const message of read.messages) expect(message.length).toBeLessThanOrEqual(50);
          boundary.pass(piece, 0, piece.length);
          expect(boundary.atBoundary).toBe(reader.atBoundary);
        }
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

  it('leaves messages alone that it has handed out', () => {
    const reader = new GrpcMessageReader({ maxBytes: 100 });
    const bytes = Buffer.concat([
      encodeMessage(Buffer.from('one')),
      encodeMessage(Buffer.from('two')),
    ]);
    const first = reader.push(bytes, 0, 10);
    reader.push(bytes, 10, bytes.length);
    expect(first).toEqual({ kind: 'messages', messages: [Buffer.from('one')] });
    expect(reader.atBoundary).toBe(true);
  });

  it('copies a long message in proportion to its length', () => {
    const reader = new GrpcMessageReader({ maxBytes: 4_000_000 });
    const bytes = encodeMessage(new Uint8Array(4_000_000));
    let complete = 0;
    // One copy of all for each piece would be 160 GB.
    for (let start = 0; start < bytes.length; start += 50) {
      const read = reader.push(bytes, start, Math.min(bytes.length, start + 50));
      if (read.kind === 'messages') complete += read.messages.length;
    }
    expect(complete).toBe(1);
  });
});
