/** Drives the independent UDP probe (node:dgram in a process of its own, none of core's code) inside a namespace. */
import { join } from 'node:path';
import { type LabProcess, REPOSITORY, until } from '../index.js';

export interface Address {
  readonly address: string;
  readonly port: number;
}

export interface Received {
  readonly text: string;
  readonly bytes: Buffer;
  readonly at: Address;
  readonly from: Address;
}

type Spawn = (argv: readonly string[]) => LabProcess;

export class Probe {
  readonly #process: LabProcess;
  readonly received: Received[] = [];
  readonly #bound = new Set<string>();
  readonly sent: string[] = [];
  readonly errors: string[] = [];

  constructor(spawn: Spawn) {
    this.#process = spawn([process.execPath, join(REPOSITORY, 'test/fixtures/e2e/udp-probe.mjs')]);
    this.#process.onLine((line) => this.#take(JSON.parse(line) as Record<string, unknown>));
  }

  /** Binds every address; ready when this resolves. */
  async bind(...addresses: readonly Address[]): Promise<void> {
    for (const address of addresses) this.#process.write(`${JSON.stringify({ bind: address })}\n`);
    await until(() => addresses.every((address) => this.#bound.has(key(address))), {
      what: 'the probe to bind',
      pollMs: 5,
    });
  }

  /** Sends text (or bytes) from a bound address; resolves once the system took it or refused it ('ok' or the error's code). */
  async send(from: Address, to: Address, message: string | Buffer, ttl?: number): Promise<string> {
    const before = this.sent.length;
    this.#process.write(`${JSON.stringify({ send: { from, to, hex: Buffer.from(message).toString('hex'), ttl } })}\n`);
    await until(() => this.sent.length > before, { what: 'the probe to send', pollMs: 2 });
    return this.sent.at(-1) ?? '';
  }

  /** The first datagram with this text. */
  async receive(text: string, deadlineMs = 3000): Promise<Received> {
    return await until(() => this.received.find((one) => one.text === text), {
      what: `the probe to receive "${text}"`,
      deadlineMs,
      pollMs: 2,
    });
  }

  has(text: string): boolean {
    return this.received.some((one) => one.text === text);
  }

  #take(line: Record<string, unknown>): void {
    if (line['bound'] !== undefined) this.#bound.add(key(line['bound'] as Address));
    if (line['sent'] !== undefined) this.sent.push(String(line['sent']));
    if (line['error'] !== undefined) this.errors.push(String(line['error']));
    if (line['got'] === undefined) return;
    const bytes = Buffer.from(String(line['got']), 'hex');
    this.received.push({ text: bytes.toString(), bytes, at: line['at'] as Address, from: line['from'] as Address });
  }
}

function key(address: Address): string {
  return `${address.address}|${address.port}`;
}

export type Behaviour = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

export interface NatBehaviour {
  readonly mapping: Behaviour;
  readonly filtering: Behaviour;
  /** What the first mapping looked like from outside. */
  readonly mapped: Address;
}

/** RFC 5780 in spirit, without STUN: the outside is ours, so it simply says from where a datagram came. */
export async function observeNat(
  inside: Probe,
  outside: Probe,
  hostAddress: string,
  servers: readonly [string, string],
  ports: readonly [number, number] = [40001, 40002],
): Promise<NatBehaviour> {
  const [one, two] = servers;
  const first = { address: one, port: 5001 };
  const otherPort = { address: one, port: 5002 };
  const otherAddress = { address: two, port: 5001 };
  const [mappingPort, filteringPort] = ports.map((port) => ({ address: hostAddress, port })) as [Address, Address];
  await outside.bind(first, otherPort, otherAddress);
  await inside.bind(mappingPort, filteringPort);
  const seen: Address[] = [];
  for (const [i, target] of [first, otherPort, otherAddress].entries()) {
    await inside.send(mappingPort, target, `map ${i}`);
    seen.push((await outside.receive(`map ${i}`)).from);
  }
  await inside.send(filteringPort, first, 'open');
  const hole = (await outside.receive('open')).from;
  await outside.send(otherAddress, hole, 'from another address');
  await outside.send(otherPort, hole, 'from another port');
  await outside.send(first, hole, 'from where it was sent to');
  // Links keep the order, so what was not let in by now never will be.
  await inside.receive('from where it was sent to');
  const [a, b, c] = seen.map(key);
  const mapping =
    a === b && b === c ? 'endpoint-independent' : a === b ? 'address-dependent' : 'address-and-port-dependent';
  const filtering = inside.has('from another address')
    ? 'endpoint-independent'
    : inside.has('from another port')
      ? 'address-dependent'
      : 'address-and-port-dependent';
  return { mapping, filtering, mapped: seen[0] ?? mappingPort };
}
