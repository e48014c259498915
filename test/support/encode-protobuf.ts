import { lengthDelimited } from '../../src/proxy/routing/protobuf-fields.ts';

/** Encodes a number below 2^53. */
export function encodeVarint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) octets.push((rest % 0x80) | 0x80);
  return Buffer.from([...octets, rest]);
}

/** Encodes a field that holds a text. */
export function encodeStringField(number: number, text: string): Buffer {
  const content = Buffer.from(text);
  return Buffer.concat([
    encodeVarint(number * 8 + lengthDelimited),
    encodeVarint(content.length),
    content,
  ]);
}
