/** A header block of RFC 7541 appendix C: what it says, and the table's size after it. */
interface ExampleBlock {
  readonly hex: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly tableBytes: number;
}

/** Blocks that follow each other on one connection. */
export interface ExampleSeries {
  readonly section: string;
  /** Size of the dynamic table that both sides have agreed upon. */
  readonly maxTableBytes: number;
  readonly blocks: readonly ExampleBlock[];
}

const firstRequest = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
] as const;
const secondRequest = [...firstRequest, ['cache-control', 'no-cache']] as const;
const thirdRequest = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
] as const;
const firstResponse = [
  [':status', '302'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
] as const;
const secondResponse = [[':status', '307'], ...firstResponse.slice(1)] as const;
const thirdResponse = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
] as const;

/** Appendices C.3 and C.5: what an encoder writes that does not use Huffman codes. */
export const plainSeries: readonly ExampleSeries[] = [
  {
    section: 'C.3',
    maxTableBytes: 4096,
    blocks: [
      {
        hex: '828684410f7777772e6578616d706c652e636f6d',
        fields: firstRequest,
        tableBytes: 57,
      },
      { hex: '828684be58086e6f2d6361636865', fields: secondRequest, tableBytes: 110 },
      {
        hex: '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
        fields: thirdRequest,
        tableBytes: 164,
      },
    ],
  },
  {
    section: 'C.5',
    maxTableBytes: 256,
    blocks: [
      {
        hex:
          '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120' +
          '474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        fields: firstResponse,
        tableBytes: 222,
      },
      { hex: '4803333037c1c0bf', fields: secondResponse, tableBytes: 222 },
      {
        hex:
          '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970773866' +
          '6f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630' +
          '303b2076657273696f6e3d31',
        fields: thirdResponse,
        tableBytes: 215,
      },
    ],
  },
];

/** Appendices C.4 and C.6: the same with Huffman codes. */
export const huffmanSeries: readonly ExampleSeries[] = [
  {
    section: 'C.4',
    maxTableBytes: 4096,
    blocks: [
      { hex: '828684418cf1e3c2e5f23a6ba0ab90f4ff', fields: firstRequest, tableBytes: 57 },
      { hex: '828684be5886a8eb10649cbf', fields: secondRequest, tableBytes: 110 },
      {
        hex: '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
        fields: thirdRequest,
        tableBytes: 164,
      },
    ],
  },
  {
    section: 'C.6',
    maxTableBytes: 256,
    blocks: [
      {
        hex:
          '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863' +
          'c78f0b97c8e9ae82ae43d3',
        fields: firstResponse,
        tableBytes: 222,
      },
      { hex: '4883640effc1c0bf', fields: secondResponse, tableBytes: 222 },
      {
        hex:
          '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b3' +
          '35dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        fields: thirdResponse,
        tableBytes: 215,
      },
    ],
  },
];
