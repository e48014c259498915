import { HpackError } from './errors.ts';

/**
 * Length in bits of each octet's code, and last of the end-of-string symbol's: RFC 7541 appendix B.
 * The code is canonical, so the lengths alone tell the codes.
 */
// prettier-ignore
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

const endOfString = 256;
/** Instead of a leaf where the end-of-string symbol is. */
const endOfStringEntry = -0x8000_0000;

/** The code of each symbol, right-aligned: numbered in the order of length, then of symbol. */
export const huffmanCodes: readonly HuffmanCode[] = canonicalCodes(codeLengths);

export interface HuffmanCode {
  readonly bits: number;
  readonly length: number;
}

/** Longest text that `length` octets of Huffman code can stand for: the shortest code has 5 bits. */
export function huffmanDecodedBound(length: number): number {
  return Math.ceil((length * 8) / 5);
}

/**
 * Decodes `bytes[start, end)` into `target`, which holds {@link huffmanDecodedBound} octets.
 *
 * The code is a tree, read an octet at a time: node tables of 256 entries, each a leaf with the
 * symbol and the bits of this octet that it used, or a link to the next node.
 *
 * @returns how many octets were written
 * @throws HpackError if the end-of-string symbol is in the text, or the padding is not the
 *   beginning of that symbol, shorter than an octet (RFC 7541 section 5.2)
 */
export function huffmanDecode(bytes: Buffer, start: number, end: number, target: Buffer): number {
  let node = rootNode;
  let pending = 0;
  let pendingBits = 0;
  let written = 0;
  for (let position = start; position < end; position++) {
    pending = ((pending << 8) | (bytes[position] ?? 0)) & 0xffff;
    pendingBits += 8;
    while (pendingBits >= 8) {
      const entry = node[(pending >>> (pendingBits - 8)) & 0xff] ?? endOfStringEntry;
      if (entry >= 0) {
        target[written++] = entry & 0xff;
        pendingBits -= entry >>> 8;
        node = rootNode;
      } else {
        node = childNode(entry);
        pendingBits -= 8;
      }
    }
  }
  // What is left is shorter than an octet: perhaps symbols, then padding.
  while (pendingBits > 0) {
    const entry = node[(pending << (8 - pendingBits)) & 0xff] ?? endOfStringEntry;
    if (entry < 0 || entry >>> 8 > pendingBits) break;
    target[written++] = entry & 0xff;
    pendingBits -= entry >>> 8;
    node = rootNode;
  }
  const padding = (1 << pendingBits) - 1;
  if (node !== rootNode || (pending & padding) !== padding) {
    throw new HpackError('a Huffman string ends with wrong padding');
  }
  return written;
}

/** What an octet leads to: a leaf is `length << 8 | symbol`, a link to another node `~index`. */
type Node = Int32Array<ArrayBuffer>;

const nodes: readonly Node[] = decodingTree(huffmanCodes);
const rootNode = childNode(~0);

function childNode(link: number): Node {
  const node = nodes[~link];
  if (node === undefined) throw new HpackError('a Huffman string holds the end-of-string symbol');
  return node;
}

function canonicalCodes(lengths: readonly number[]): HuffmanCode[] {
  const symbols = lengths.map((length, symbol) => ({ length, symbol }));
  symbols.sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  const codes: HuffmanCode[] = [];
  let bits = 0;
  let previousLength = 0;
  for (const { length, symbol } of symbols) {
    // 2 ** n instead of a shift: the last codes have 30 bits.
    bits *= 2 ** (length - previousLength);
    previousLength = length;
    codes[symbol] = { bits, length };
    bits += 1;
  }
  return codes;
}

function decodingTree(codes: readonly HuffmanCode[]): Node[] {
  const tree = [new Int32Array(256)];
  for (const [symbol, { bits, length }] of codes.entries()) {
    let node = tree[0];
    let rest = length;
    for (; rest > 8; rest -= 8) node = childOf(tree, node, (bits >>> (rest - 8)) & 0xff);
    const leaf = symbol === endOfString ? endOfStringEntry : (rest << 8) | symbol;
    const first = (bits << (8 - rest)) & 0xff;
    node?.fill(leaf, first, first + (1 << (8 - rest)));
  }
  return tree;
}

function childOf(tree: Node[], node: Node | undefined, octet: number): Node | undefined {
  if (node === undefined) return undefined;
  if (node[octet] === 0) node[octet] = ~(tree.push(new Int32Array(256)) - 1);
  return tree[~(node[octet] ?? 0)];
}
