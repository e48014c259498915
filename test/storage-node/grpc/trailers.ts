import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Code, RpcError, type StatusDetail } from './status.ts';

const typePrefix = 'type.googleapis.com/';

/** `grpc-status`, `grpc-message` and, if there are details, `grpc-status-details-bin`. */
export function statusTrailers(error: RpcError | undefined): OutgoingHttpHeaders {
  if (!error) return { 'grpc-status': String(Code.OK), 'grpc-message': '' };
  const trailers: OutgoingHttpHeaders = {
    'grpc-status': String(error.code),
    'grpc-message': percentEncode(error.message),
  };
  if (error.details.length > 0) {
    trailers['grpc-status-details-bin'] = encodeStatus(error).toString('base64').replace(/=+$/, '');
  }
  return trailers;
}

/** The status that headers or trailers carry; undefined if it is OK. */
export function readStatus(headers: IncomingHttpHeaders): RpcError | undefined {
  const status = headers['grpc-status'];
  if (status === undefined) {
    return new RpcError(Code.INTERNAL, `no grpc-status (HTTP ${String(headers[':status'])})`);
  }
  const code = Number(status) as Code;
  if (code === Code.OK) return undefined;
  const message = percentDecode(String(headers['grpc-message'] ?? ''));
  const binary = headers['grpc-status-details-bin'];
  const details = typeof binary === 'string' ? decodeDetails(Buffer.from(binary, 'base64')) : [];
  return new RpcError(code, message, details);
}

/** google.rpc.Status: code = 1, message = 2, details = 3 (google.protobuf.Any). */
function encodeStatus(error: RpcError): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int32(error.code);
  writer.tag(2, WireType.LengthDelimited).string(error.message);
  for (const detail of error.details) {
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(typePrefix + detail.typeName);
    writer.tag(2, WireType.LengthDelimited).bytes(detail.value);
    writer.join();
  }
  return Buffer.from(writer.finish());
}

function decodeDetails(bytes: Uint8Array): StatusDetail[] {
  const reader = new BinaryReader(bytes);
  const details: StatusDetail[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 3 && wireType === WireType.LengthDelimited)
      details.push(decodeAny(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return details;
}

function decodeAny(bytes: Uint8Array): StatusDetail {
  const reader = new BinaryReader(bytes);
  let typeName = '';
  let value: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) typeName = reader.string().slice(typePrefix.length);
    else if (field === 2) value = reader.bytes();
    else reader.skip(wireType, field);
  }
  return { typeName, value };
}

/** Every byte outside printable ASCII, and `%`, becomes `%XX` (gRPC over HTTP/2, Status-Message). */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function percentDecode(text: string): string {
  const latin1 = text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, 'latin1').toString();
}
