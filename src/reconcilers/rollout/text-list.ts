import { Uint32List } from './uint32-list.ts';

/** A page is decoded for each text that is looked at. */
const textsOfPage = 64;

/**
 * Texts, one after the other, for many of which few are looked at: as UTF-8, in pages outside of the heap. Each takes
 * its bytes and 4 more, and the garbage collector has nothing to do with it.
 */
export class TextList {
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  readonly #pages: Uint8Array[] = [];
  #pagesBytes = 0;
  /** Those of the page that is not full yet. */
  #open = '';
  /** By text: where it ends in its page, in UTF-16 code units. */
  readonly #ends = new Uint32List();

  get length(): number {
    return this.#ends.length;
  }

  /** How much memory the texts take; of up to 64 of them their length in UTF-16 code units counts. */
  get byteLength(): number {
    return this.#pagesBytes + this.#open.length + this.#ends.byteLength;
  }

  push(text: string): void {
    this.#open += text;
    this.#ends.push(this.#open.length);
    if (this.length % textsOfPage === 0) this.#closePage();
  }

  /** The text at this place, from 0 on; undefined if there is none. */
  at(place: number): string | undefined {
    const end = this.#ends.at(place);
    if (end === undefined) return undefined;
    const begin = place % textsOfPage === 0 ? 0 : this.#ends.at(place - 1);
    const page = this.#pages[Math.floor(place / textsOfPage)];
    return (page ? this.#decoder.decode(page) : this.#open).slice(begin, end);
  }

  #closePage(): void {
    const page = this.#encoder.encode(this.#open);
    this.#pages.push(page);
    this.#pagesBytes += page.length;
    this.#open = '';
  }
}
