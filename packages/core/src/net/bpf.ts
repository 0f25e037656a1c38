/** A small assembler for classic BPF (bpf(4) of the BSDs, Linux's socket filters): labels in, numbers out. */

/** One instruction as the kernel takes it. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A line of a program: an instruction, or a label for the one after it. */
export type BpfLine =
  | { readonly op: 'label'; readonly name: string }
  | { readonly op: 'plain'; readonly code: number; readonly k: number }
  | { readonly op: 'goto'; readonly name: string }
  | { readonly op: 'jump'; readonly code: number; readonly k: number; readonly yes?: string; readonly no?: string }
  | { readonly op: 'return'; readonly k: number };

const CLASS = { ld: 0x00, ldx: 0x01, alu: 0x04, jmp: 0x05, ret: 0x06, misc: 0x07 } as const;
const SIZE = { word: 0x00, half: 0x08, byte: 0x10 } as const;
const MODE = { absolute: 0x20, indexed: 0x40, headerLength: 0xa0 } as const;
const JUMP = { always: 0x00, equal: 0x10, atLeast: 0x30, set: 0x40 } as const;
const INDEX_TO_A = 0x80;

export type BpfSize = keyof typeof SIZE;

/** The names of the instructions that programs here are written in; a jump without `yes` or `no` falls through there. */
export const bpf = {
  label: (name: string): BpfLine => ({ op: 'label', name }),
  /** A = packet[k], big-endian. */
  load: (size: BpfSize, k: number): BpfLine => ({ op: 'plain', code: CLASS.ld | MODE.absolute | SIZE[size], k }),
  /** A = packet[X + k], big-endian. */
  loadIndexed: (size: BpfSize, k: number): BpfLine => ({ op: 'plain', code: CLASS.ld | MODE.indexed | SIZE[size], k }),
  /** X = 4 * (packet[k] & 15): the length of the IPv4 header that begins at k. */
  loadHeaderLength: (k: number): BpfLine => ({ op: 'plain', code: CLASS.ldx | MODE.headerLength | SIZE.byte, k }),
  /** X = k. */
  setIndex: (k: number): BpfLine => ({ op: 'plain', code: CLASS.ldx, k }),
  /** A = X. */
  copyIndex: (): BpfLine => ({ op: 'plain', code: CLASS.misc | INDEX_TO_A, k: 0 }),
  /** X = A. */
  moveToIndex: (): BpfLine => ({ op: 'plain', code: CLASS.misc, k: 0 }),
  /** A = A + k. */
  add: (k: number): BpfLine => ({ op: 'plain', code: CLASS.alu, k }),
  /** Goes on at the label, however far it is. */
  goto: (name: string): BpfLine => ({ op: 'goto', name }),
  ifEqual: (k: number, to: { readonly yes?: string; readonly no?: string }): BpfLine => ({
    op: 'jump',
    code: CLASS.jmp | JUMP.equal,
    k,
    ...to,
  }),
  /** Whether A, unsigned, is k or more. */
  ifAtLeast: (k: number, to: { readonly yes?: string; readonly no?: string }): BpfLine => ({
    op: 'jump',
    code: CLASS.jmp | JUMP.atLeast,
    k,
    ...to,
  }),
  /** Whether A and k have a bit in common. */
  ifSet: (k: number, to: { readonly yes?: string; readonly no?: string }): BpfLine => ({
    op: 'jump',
    code: CLASS.jmp | JUMP.set,
    k,
    ...to,
  }),
  /** Ends the program: keeps this many bytes of the packet; 0 drops it. */
  keep: (bytes: number): BpfLine => ({ op: 'return', k: bytes }),
} as const;

/** Resolves the labels. Errors: Error for a label that is missing, doubled, behind, or more than 255 instructions away. */
export function assembleBpf(lines: readonly BpfLine[]): readonly BpfInstruction[] {
  const labels = new Map<string, number>();
  let length = 0;
  for (const line of lines) {
    if (line.op !== 'label') length += 1;
    else if (labels.has(line.name)) throw new Error(`BPF label ${line.name} stands twice`);
    else labels.set(line.name, length);
  }
  const program: BpfInstruction[] = [];
  const distance = (name: string | undefined, most = 255): number => {
    if (name === undefined) return 0;
    const target = labels.get(name);
    const steps = target === undefined ? -1 : target - program.length - 1;
    if (target === length || steps < 0 || steps > most) throw new Error(`BPF label ${name} cannot be jumped to`);
    return steps;
  };
  for (const line of lines) {
    if (line.op === 'plain') program.push({ code: line.code, jt: 0, jf: 0, k: line.k });
    else if (line.op === 'goto')
      program.push({ code: CLASS.jmp | JUMP.always, jt: 0, jf: 0, k: distance(line.name, length) });
    else if (line.op === 'return') program.push({ code: CLASS.ret, jt: 0, jf: 0, k: line.k });
    else if (line.op === 'jump')
      program.push({ code: line.code, jt: distance(line.yes), jf: distance(line.no), k: line.k });
  }
  return program;
}

/** The program as an array of `struct sock_filter` or `struct bpf_insn`: u16 code, u8 jt, u8 jf, u32 k in the host's byte order. */
export function encodeBpf(program: readonly BpfInstruction[], order: 'LE' | 'BE'): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(i * 8, code, order === 'LE');
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, order === 'LE');
  });
  return bytes;
}
