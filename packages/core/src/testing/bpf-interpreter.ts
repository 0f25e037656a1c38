/** Runs classic BPF programs over packets in tests, as the kernels do: a load beyond the packet drops it. */
import type { BpfInstruction } from '../net/bpf.js';

/** How many bytes of the packet the program keeps; 0: dropped. Errors: Error for an instruction that it does not know, or a program without end. */
export function runBpf(program: readonly BpfInstruction[], packet: Uint8Array): number {
  let a = 0;
  let x = 0;
  for (let at = 0; at < program.length; at += 1) {
    const { code, jt, jf, k } = program[at] ?? { code: -1, jt: 0, jf: 0, k: 0 };
    const size = SIZES[(code >> 3) & 3];
    switch (code) {
      case 0x20: // ld  [k]
      case 0x28: // ldh [k]
      case 0x30: // ldb [k]
      case 0x40: // ld  [x + k]
      case 0x48: // ldh [x + k]
      case 0x50: {
        const value = read(packet, k + ((code & 0x40) === 0 ? 0 : x), size);
        if (value === undefined) return 0;
        a = value;
        break;
      }
      case 0xb1: {
        const value = read(packet, k, 1);
        if (value === undefined) return 0;
        x = (value & 15) * 4;
        break;
      }
      case 0x01: // ldx #k
        x = k;
        break;
      case 0x87: // txa
        a = x;
        break;
      case 0x07: // tax
        x = a;
        break;
      case 0x04: // add #k
        a = (a + k) >>> 0;
        break;
      case 0x05: // ja
        at += k;
        break;
      case 0x35: // jge
        at += a >= k ? jt : jf;
        break;
      case 0x15: // jeq
        at += a === k ? jt : jf;
        break;
      case 0x45: // jset
        at += (a & k) !== 0 ? jt : jf;
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`BPF instruction ${at} has the unknown code ${code}`);
    }
  }
  throw new Error('the BPF program ends without a return');
}

const SIZES = [4, 2, 1] as const;

function read(packet: Uint8Array, at: number, size: number | undefined): number | undefined {
  if (size === undefined || at + size > packet.length) return undefined;
  let value = 0;
  for (let i = 0; i < size; i += 1) value = value * 256 + (packet[at + i] ?? 0);
  return value;
}
