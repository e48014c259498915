import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';

export interface SingleCallOptions {
  readonly path?: string;
  /** Besides those that every call has. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** What is sent, with its prefix or whatever stands in its place. Default: nothing. */
  readonly body?: Buffer;
  /** Whether the request ends after that. Default true. */
  readonly ends?: boolean;
  /** Bytes of the answer have come. */
  onData?(): void;
}

export interface Answer {
  /** The HTTP status; undefined if there was none. */
  readonly httpStatus: number | undefined;
  /** The gRPC status; undefined if there was none. */
  readonly code: number | undefined;
  readonly message: string;
  /** The code of RST_STREAM; 0 if there was none. */
  readonly reset: number;
  /** All headers and trailers. */
  readonly fields: IncomingHttpHeaders;
  /** Length of the answer's messages, prefixes included. */
  readonly bytes: number;
}

/** Makes one gRPC call, right or wrong, with node:http2; on a connection of its own without `session`. */
export async function singleCall(
  port: number,
  options: SingleCallOptions,
  session?: ClientHttp2Session,
): Promise<Answer> {
  if (session !== undefined) return callOn(session, options);
  const own = connect(`http://127.0.0.1:${port}`);
  own.on('error', () => {});
  try {
    return await callOn(own, options);
  } finally {
    own.destroy();
  }
}

function callOn(session: ClientHttp2Session, options: SingleCallOptions): Promise<Answer> {
  const { path = '', headers, body = Buffer.alloc(0), ends = true } = options;
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let httpStatus: number | undefined;
    let code: number | undefined;
    let message = '';
    let bytes = 0;
    const all: IncomingHttpHeaders = {};
    const read = (fields: IncomingHttpHeaders) => {
      if (fields[':status'] !== undefined) httpStatus = Number(fields[':status']);
      Object.assign(all, fields);
      if (fields['grpc-status'] === undefined) return;
      code = Number(fields['grpc-status']);
      message = decodeURIComponent(fields['grpc-message']?.toString() ?? '');
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', () => {});
    stream.on('data', (piece: Buffer) => {
      bytes += piece.length;
      options.onData?.();
    });
    stream.on('close', () => {
      resolve({ httpStatus, code, message, reset: stream.rstCode ?? 0, fields: all, bytes });
    });
    if (ends) stream.end(body);
    else stream.write(body);
  });
}
