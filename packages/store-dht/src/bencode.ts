/** Bencoding (BEP 3): the bytes that DHT messages are made of. What strangers send is bounded in depth and number. */

/** A dictionary's keys are byte strings, held here as latin-1 text. */
export type Bencoded = number | Uint8Array | readonly Bencoded[] | ReadonlyMap<string, Bencoded>;

/** A DHT message needs four; a deeper one comes from somebody who wants something else. */
const MOST_DEPTH = 8;
const MOST_ITEMS = 500;

export function encode(value: Bencoded): Uint8Array {
  const pieces: Uint8Array[] = [];
  write(value, pieces);
  return Uint8Array.from(Buffer.concat(pieces));
}

/** The value, or undefined when `bytes` are not exactly one bencoded value within the bounds. Never throws. */
export function decode(bytes: Uint8Array): Bencoded | undefined {
  const reader = { bytes, at: 0, items: 0 };
  const value = read(reader, 0);
  return reader.at === bytes.length ? value : undefined;
}

/** A dictionary from text keys; members that are undefined are left out. */
export function dictionary(members: Readonly<Record<string, Bencoded | string | undefined>>): Map<string, Bencoded> {
  const map = new Map<string, Bencoded>();
  for (const [key, value] of Object.entries(members))
    if (value !== undefined) map.set(key, typeof value === 'string' ? latin1(value) : value);
  return map;
}

export function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

function write(value: Bencoded, into: Uint8Array[]): void {
  if (typeof value === 'number') into.push(latin1(`i${value}e`));
  else if (value instanceof Uint8Array) into.push(latin1(`${value.length}:`), value);
  else if (isMap(value)) {
    into.push(latin1('d'));
    for (const key of [...value.keys()].sort(byBytes)) {
      into.push(latin1(`${key.length}:${key}`));
      write(value.get(key) as Bencoded, into);
    }
    into.push(latin1('e'));
  } else {
    into.push(latin1('l'));
    for (const each of value) write(each, into);
    into.push(latin1('e'));
  }
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
  items: number;
}

const CODE = { d: 100, e: 101, i: 105, l: 108, colon: 58, minus: 45, zero: 48, nine: 57 } as const;

function read(reader: Reader, depth: number): Bencoded | undefined {
  reader.items += 1;
  if (depth > MOST_DEPTH || reader.items > MOST_ITEMS) return undefined;
  const first = reader.bytes[reader.at];
  if (first === CODE.i) {
    reader.at += 1;
    return readNumber(reader, CODE.e);
  }
  if (first === CODE.l) return readList(reader, depth);
  if (first === CODE.d) return readDictionary(reader, depth);
  return readBytes(reader);
}

function readList(reader: Reader, depth: number): Bencoded | undefined {
  reader.at += 1;
  const list: Bencoded[] = [];
  while (reader.bytes[reader.at] !== CODE.e) {
    const value = read(reader, depth + 1);
    if (value === undefined) return undefined;
    list.push(value);
  }
  reader.at += 1;
  return list;
}

function readDictionary(reader: Reader, depth: number): Bencoded | undefined {
  reader.at += 1;
  const map = new Map<string, Bencoded>();
  while (reader.bytes[reader.at] !== CODE.e) {
    const key = readBytes(reader);
    if (key === undefined) return undefined;
    const value = read(reader, depth + 1);
    if (value === undefined) return undefined;
    map.set(Buffer.from(key).toString('latin1'), value);
  }
  reader.at += 1;
  return map;
}

function readBytes(reader: Reader): Uint8Array | undefined {
  const length = readNumber(reader, CODE.colon);
  if (length === undefined || length < 0 || length > reader.bytes.length - reader.at) return undefined;
  reader.at += length;
  return reader.bytes.slice(reader.at - length, reader.at);
}

/** An integer up to the byte `end`, in canonical form: no leading zero, no "-0". */
function readNumber(reader: Reader, end: number): number | undefined {
  const { bytes } = reader;
  const start = reader.at;
  let at = start;
  if (bytes[at] === CODE.minus) at += 1;
  const digits = at;
  while (isDigit(bytes[at]) && at - digits < 16) at += 1;
  if (at === digits || bytes[at] !== end) return undefined;
  if (bytes[digits] === CODE.zero && (at > digits + 1 || digits > start)) return undefined;
  const value = Number(Buffer.from(bytes.subarray(start, at)).toString('latin1'));
  reader.at = at + 1;
  return Number.isSafeInteger(value) ? value : undefined;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= CODE.zero && code <= CODE.nine;
}

function isMap(value: Exclude<Bencoded, number | Uint8Array>): value is ReadonlyMap<string, Bencoded> {
  return value instanceof Map;
}

/** Keys are sorted as raw bytes, which for latin-1 text is the order of its code units. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
