/** Reads what a linker wrote into an ELF file of little-endian machines (System V ABI, chapters 4 and 5). */

export interface Elf {
  readonly bits: 32 | 64;
  /** e_ident[EI_OSABI]: 0 System V, 3 Linux, 9 FreeBSD. */
  readonly osabi: number;
  /** e_type: 3 is a shared object. */
  readonly type: number;
  /** e_machine: 40 ARM, 62 x86-64, 183 AArch64. */
  readonly machine: number;
  /** Names of the libraries that it asks for (DT_NEEDED). */
  readonly needed: readonly string[];
  /** Symbols that somebody else has to define, and those that it gives to others. */
  readonly undefined: readonly string[];
  readonly defined: readonly string[];
  /** Versions of symbols that it asks libraries for, such as GLIBC_2.28. */
  readonly versions: readonly string[];
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
}

const SHT_DYNAMIC = 6;
const SHT_DYNSYM = 11;
const SHT_GNU_VERNEED = 0x6ffffffe;
const DT_NEEDED = 1;

export function readElf(file: Buffer): Elf {
  if (file.toString('latin1', 0, 4) !== '\x7fELF' || file[5] !== 1) throw new Error('no little-endian ELF file');
  const wide = file[4] === 2;
  /** An address or size: eight bytes in the 64-bit format, four in the other. */
  const word = (at: number): number => (wide ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at));
  const table = word(wide ? 0x28 : 0x20);
  const entrySize = file.readUInt16LE(wide ? 0x3a : 0x2e);
  const sections = Array.from({ length: file.readUInt16LE(wide ? 0x3c : 0x30) }, (_, index): Section => {
    const at = table + index * entrySize;
    return {
      type: file.readUInt32LE(at + 4),
      offset: word(at + (wide ? 0x18 : 0x10)),
      size: word(at + (wide ? 0x20 : 0x14)),
      link: file.readUInt32LE(at + (wide ? 0x28 : 0x18)),
      info: file.readUInt32LE(at + (wide ? 0x2c : 0x1c)),
    };
  });
  const found = (type: number): Section | undefined => sections.find((section) => section.type === type);
  const text = (section: Section, at: number): string => {
    const start = (sections[section.link]?.offset ?? 0) + at;
    return file.toString('latin1', start, file.indexOf(0, start));
  };

  const needed: string[] = [];
  const dynamic = found(SHT_DYNAMIC);
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += wide ? 16 : 8)
    if (word(at) === DT_NEEDED) needed.push(text(dynamic, word(at + (wide ? 8 : 4))));

  const undefinedNames: string[] = [];
  const defined: string[] = [];
  const symbols = found(SHT_DYNSYM);
  const symbolSize = wide ? 24 : 16;
  // The first entry stands for no symbol.
  for (let at = symbolSize; symbols && at < symbols.size; at += symbolSize) {
    const entry = symbols.offset + at;
    const name = text(symbols, file.readUInt32LE(entry));
    (file.readUInt16LE(entry + (wide ? 6 : 14)) === 0 ? undefinedNames : defined).push(name);
  }

  const versions: string[] = [];
  const verneed = found(SHT_GNU_VERNEED);
  let at = verneed?.offset ?? 0;
  for (let left = verneed?.info ?? 0; verneed && left > 0; left -= 1) {
    let entry = at + file.readUInt32LE(at + 8);
    for (let count = file.readUInt16LE(at + 2); count > 0; count -= 1) {
      versions.push(text(verneed, file.readUInt32LE(entry + 8)));
      entry += file.readUInt32LE(entry + 12);
    }
    at += file.readUInt32LE(at + 12);
  }
  return {
    bits: wide ? 64 : 32,
    osabi: file[7] ?? 0,
    type: file.readUInt16LE(16),
    machine: file.readUInt16LE(18),
    needed,
    undefined: undefinedNames,
    defined,
    versions,
  };
}
