/** A router as connection tracking makes it: one flow for each pair of endpoints, with the port that it got. */
import type { Endpoint } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';

/** accept: takes in unsolicited packets for its own address, and remembers the flow. */
export type RouterKind = 'drop' | 'accept';
export type Mapping = 'preserving' | 'symmetric' | 'none';

/** Entries of connection tracking that saw one direction only live so long (Linux: nf_conntrack_udp_timeout). */
const ENTRY_MS = 30_000;
const ASSURED_MS = 120_000;
export const PORT = 51_820;

interface Flow {
  readonly origin: 'host' | 'outside';
  readonly remote: string;
  readonly port: number;
  replied: boolean;
  until: number;
}

export class Router {
  readonly address: string;
  readonly kind: RouterKind;
  readonly mapping: Mapping;
  readonly #flows: Flow[] = [];
  #nextPort = 1_953;

  constructor(address: string, kind: RouterKind, mapping: Mapping) {
    this.address = address;
    this.kind = kind;
    this.mapping = mapping;
  }

  /** The outer endpoint of a packet of the host to `remote`. */
  outgoing(now: number, remote: Endpoint): Endpoint {
    if (this.mapping === 'none') return this.#outer(PORT);
    const name = formatEndpoint(remote);
    const known = this.#alive(now).find((flow) => flow.origin === 'host' && flow.remote === name);
    if (known) {
      known.until = now + (known.replied ? ASSURED_MS : ENTRY_MS);
      return this.#outer(known.port);
    }
    const taken = (port: number) => this.#alive(now).some((flow) => flow.remote === name && flow.port === port);
    let port = this.mapping === 'symmetric' ? this.#otherPort() : PORT;
    while (taken(port)) port = this.#otherPort();
    this.#flows.push({ origin: 'host', remote: name, port, replied: false, until: now + ENTRY_MS });
    return this.#outer(port);
  }

  /** Whether a packet from `remote` to our `port` reaches the host. */
  incoming(now: number, remote: Endpoint, port: number): boolean {
    if (this.mapping === 'none') return port === PORT;
    const name = formatEndpoint(remote);
    const known = this.#alive(now).find((flow) => flow.remote === name && flow.port === port);
    if (known) {
      known.replied ||= known.origin === 'host';
      known.until = now + (known.replied ? ASSURED_MS : ENTRY_MS);
      return known.origin === 'host';
    }
    if (this.kind === 'accept')
      this.#flows.push({ origin: 'outside', remote: name, port, replied: false, until: now + ENTRY_MS });
    return false;
  }

  /** Whether the host has opened towards whatever address `remote` stands for. */
  isOpen(now: number, remote: string): boolean {
    return (
      this.mapping === 'none' ||
      this.#alive(now).some((flow) => flow.origin === 'host' && flow.remote.startsWith(`${remote}:`))
    );
  }

  #alive(now: number): Flow[] {
    return this.#flows.filter((flow) => now < flow.until);
  }

  #otherPort(): number {
    this.#nextPort += 7;
    return this.#nextPort;
  }

  #outer(port: number): Endpoint {
    return { family: 4, address: this.address, port };
  }
}
