import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { FrameReader, headerBytes, writeHeader, YamuxProtocolError } from './frames.ts';

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const uint32 = fc.integer({ min: 0, max: 0xff_ff_ff_ff });

const dataFrame: fc.Arbitrary<Frame> = fc.record({
  type: fc.constant(0),
  flags: fc.integer({ min: 0, max: 0xff_ff }),
  streamId: uint32,
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
});

function encode(frame: Frame): Buffer {
  const header = Buffer.alloc(headerBytes);
  writeHeader(header, 0, frame.type, frame.flags, frame.streamId, frame.payload.length);
  return Buffer.concat([header, frame.payload]);
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function read(chunks: readonly Buffer[]) {
  const frames: Frame[] = [];
  let header: Omit<Frame, 'payload'> | undefined;
  let payload: Buffer[] = [];
  const finish = () => {
    if (header !== undefined) frames.push({ ...header, payload: Buffer.concat(payload) });
    payload = [];
  };
  const reader = new FrameReader({
    onHeader(type, flags, streamId, length) {
      header = { type, flags, streamId };
      if (length === 0) finish();
    },
    onPayload(chunk, isLast) {
      payload.push(chunk);
      if (isLast) finish();
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  return { frames, isInsideFrame: reader.isInsideFrame };
}

describe('FrameReader', () => {
  test('finds the same frames however the bytes are cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(dataFrame), sizes, (frames, sizes) => {
        const bytes = Buffer.concat(frames.map(encode));
        expect(read(cut(bytes, sizes))).toEqual({ frames, isInsideFrame: false });
      }),
    );
  });

  test('knows that it is inside a frame after part of a header and after part of a payload', () => {
    const bytes = encode({ type: 0, flags: 0, streamId: 1, payload: Buffer.from('abc') });
    expect(read([bytes.subarray(0, 5)]).isInsideFrame).toBe(true);
    expect(read([bytes.subarray(0, 13)]).isInsideFrame).toBe(true);
    expect(read([bytes]).isInsideFrame).toBe(false);
  });

  test('takes no payload after headers other than data', () => {
    const update = Buffer.from('00010001000000010000000500010000000000010000000a', 'hex');
    expect(read([update]).frames).toHaveLength(0);
    expect(read([update]).isInsideFrame).toBe(false);
  });

  test('refuses an unknown version', () => {
    expect(() => read([Buffer.from('505249202a20485454502f32', 'hex')])).toThrow(
      YamuxProtocolError,
    );
  });

  test('reports nothing after it was stopped, not even from the same chunk', () => {
    const seen: number[] = [];
    const reader = new FrameReader({
      onHeader(_type, _flags, streamId) {
        seen.push(streamId);
        reader.stop();
      },
      onPayload() {},
    });
    reader.push(
      Buffer.concat([
        encode({ type: 0, flags: 0, streamId: 7, payload: Buffer.alloc(0) }),
        encode({ type: 0, flags: 0, streamId: 8, payload: Buffer.alloc(0) }),
      ]),
    );
    expect(seen).toEqual([7]);
  });
});
