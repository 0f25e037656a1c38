/** Reads what a linker wrote into a 64-bit Mach-O file (<mach-o/loader.h> and <mach-o/nlist.h> have the numbers). */

export interface MachO {
  readonly cpu: 'x64' | 'arm64';
  /** 6: dynamic library, 8: bundle; dlopen(3) takes both. */
  readonly fileType: number;
  /** The oldest macOS that it says it runs on, "11.0". */
  readonly oldest: string;
  readonly libraries: readonly string[];
  /** The name it goes by as a library. */
  readonly installName: string | undefined;
  /** Symbols that somebody else has to define. `library` counts from 1; 0xfe: whoever has it when it is loaded. */
  readonly undefined: readonly { readonly name: string; readonly library: number }[];
  readonly defined: readonly string[];
  /** It carries a signature; arm64 machines load nothing without. */
  readonly signed: boolean;
}

const MAGIC_64 = 0xfeedfacf;
const CPUS: Readonly<Record<number, MachO['cpu']>> = { 16777223: 'x64', 16777228: 'arm64' };
const LC_SYMTAB = 0x2;
const LC_LOAD_DYLIB = 0xc;
const LC_ID_DYLIB = 0xd;
const LC_CODE_SIGNATURE = 0x1d;
const LC_BUILD_VERSION = 0x32;
const N_STAB = 0xe0;
const N_TYPE = 0x0e;
const N_EXT = 0x01;

export function readMachO(file: Buffer): MachO {
  if (file.readUInt32LE(0) !== MAGIC_64) throw new Error('no 64-bit Mach-O file');
  const cpu = CPUS[file.readUInt32LE(4)];
  if (cpu === undefined) throw new Error(`unknown CPU type ${file.readUInt32LE(4)}`);
  const string = (at: number): string => file.toString('latin1', at, file.indexOf(0, at));
  const libraries: string[] = [];
  const undefinedSymbols: { name: string; library: number }[] = [];
  const defined: string[] = [];
  let installName: string | undefined;
  let oldest = '';
  let signed = false;
  let at = 32;
  for (let left = file.readUInt32LE(16); left > 0; left -= 1) {
    const command = file.readUInt32LE(at);
    if (command === LC_LOAD_DYLIB) libraries.push(string(at + file.readUInt32LE(at + 8)));
    if (command === LC_ID_DYLIB) installName = string(at + file.readUInt32LE(at + 8));
    if (command === LC_CODE_SIGNATURE) signed = true;
    // Sixteen bits of major version, eight of minor.
    if (command === LC_BUILD_VERSION) oldest = `${file.readUInt16LE(at + 14)}.${file[at + 13]}`;
    if (command === LC_SYMTAB) {
      const [symbols = 0, count = 0, strings = 0] = [8, 12, 16].map((offset) => file.readUInt32LE(at + offset));
      for (let entry = symbols; entry < symbols + count * 16; entry += 16) {
        const type = file[entry + 4] ?? 0;
        if ((type & N_STAB) !== 0 || (type & N_EXT) === 0) continue;
        const name = string(strings + file.readUInt32LE(entry));
        if ((type & N_TYPE) !== 0) defined.push(name);
        else undefinedSymbols.push({ name, library: file.readUInt16LE(entry + 6) >> 8 });
      }
    }
    at += file.readUInt32LE(at + 4);
  }
  return {
    cpu,
    fileType: file.readUInt32LE(12),
    oldest,
    libraries,
    installName,
    undefined: undefinedSymbols,
    defined,
    signed,
  };
}
