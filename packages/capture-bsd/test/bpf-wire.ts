/** A tap or tun device whose other end is a test, and the packets that come in by it. */
/** The /dev/bpf half of the addon on real interfaces: packet sockets of Linux stand in for FreeBSD's bpf(4) (native/test/emulated.h). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { encodeUdp } from '@stunmesh/core/net';
import { run, tunProgram } from './addon-lab.js';

export const PORT = 51820;

/** An Ethernet or tun device whose other end is ours. */
export interface Wire extends AsyncDisposable {
  readonly name: string;
  receives(packet: Uint8Array): void;
}

export async function openWire(name: string, kind: 'tun' | 'tap'): Promise<Wire> {
  const child: ChildProcess = spawn(tunProgram(), kind === 'tap' ? [name, 'tap'] : [name], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout } = child;
  assert.ok(stdin && stdout);
  await once(createInterface({ input: stdout }), 'line');
  run(`ip link set ${name} up`);
  return {
    name,
    receives: (packet) => void stdin.write(`${Buffer.from(packet).toString('hex')}\n`),
    async [Symbol.asyncDispose]() {
      stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

export function udp(payload: Uint8Array, destinationPort = PORT): Uint8Array {
  return encodeUdp({ sourcePort: 3478, destinationPort, checksum: 0, payload });
}

export function ipv4(payload: Uint8Array): Uint8Array {
  const header = Buffer.from('450000000000000040110000c0000202c0000201', 'hex');
  header.writeUInt16BE(20 + payload.length, 2);
  return Buffer.concat([header, payload]);
}

export function ipv6(payload: Uint8Array): Uint8Array {
  const header = Buffer.from(`6000000000001140${'20010db8'.padEnd(31, '0')}2${'20010db8'.padEnd(31, '0')}1`, 'hex');
  header.writeUInt16BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

export const ethernet = (type: string, packet: Uint8Array) =>
  Buffer.concat([Buffer.from(`ffffffffffff020000000001${type}`, 'hex'), packet]);
