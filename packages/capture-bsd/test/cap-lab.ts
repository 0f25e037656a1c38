/** Two links to a far side, a stand-in for WireGuard that owns the port, STUN sockets beside it, and a look at the processes that capture. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, before } from 'node:test';
import type { StunMessageEvent, StunmeshError, StunSocket, StunSocketOptions } from '@stunmesh/core/api';
import capture from '#src/index.js';
import { cannotRun, type FarSide, nft, openFarSide, run } from './namespace.js';

export const PORT = 51820;
export const FAR_PORT = 3478;
export const options = { skip: cannotRun ?? false, timeout: 120_000 };

/** A bare binding success response; the tag begins its transaction id. */
export function response(tag: number): Uint8Array {
  const message = Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(0));
  new DataView(message.buffer).setUint32(8, tag);
  return message;
}

export const LINKS = {
  wan: { name: 'wan', near: ['192.0.2.1/24', '2001:db8:1::1/64'], far: ['192.0.2.2/24', '2001:db8:1::2/64'] },
  alt: { name: 'alt', near: ['198.51.100.1/24', '2001:db8:2::1/64'], far: ['198.51.100.2/24', '2001:db8:2::2/64'] },
} as const;

export interface Listening extends AsyncDisposable {
  readonly socket: StunSocket;
  readonly heard: StunMessageEvent[];
  readonly notices: StunmeshError[];
}

export interface CapLab {
  readonly far: FarSide;
  listen(more?: Partial<StunSocketOptions>): Promise<Listening>;
  /** The far side sends responses to our address until one of them was heard; the event. */
  expectHeard(listening: Listening, fromAddress: string, toAddress: string): Promise<StunMessageEvent>;
  /** The far side sends one response, and it has arrived at the owner of the port. */
  deliver(fromAddress: string, toAddress: string, tag: number): Promise<void>;
}

/** Makes the laboratory before the file's tests and takes it down after; its parts are there once tests run. */
export function useCapLab(): CapLab {
  let farSide: FarSide | undefined;
  let owner: Socket | undefined;
  let tag = 1000;
  const there = <T>(part: T | undefined): T => {
    assert.ok(part, 'the laboratory is not there');
    return part;
  };

  before(async () => {
    if (cannotRun) return;
    farSide = await openFarSide();
    for (const link of Object.values(LINKS)) await farSide.connect(link, FAR_PORT);
    run('ip route replace default via 192.0.2.2');
    run('ip -6 route replace default via 2001:db8:1::2');
    owner = createSocket('udp6');
    owner.bind(PORT);
    await once(owner, 'listening');
  });
  after(async () => {
    owner?.close();
    await farSide?.[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    if (cannotRun) return;
    nft('flush ruleset');
    await expectReaders([]);
  });

  const lab: CapLab = {
    get far() {
      return there(farSide);
    },
    async listen(more = {}) {
      const heard: StunMessageEvent[] = [];
      const notices: StunmeshError[] = [];
      const socket = await capture.openStunSocket({
        family: 4,
        localPort: PORT,
        excludeDevice: 'wg0',
        firewallMark: 0,
        signal: new AbortController().signal,
        onMessage: (event) => heard.push(event),
        onNotice: (notice) => notices.push(notice),
        onFault: (error) => assert.fail(error),
        ...more,
      });
      return { socket, heard, notices, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
    },
    async deliver(from, to, tagged) {
      const here = once(there(owner), 'message');
      await lab.far.send(from, response(tagged), { family: to.includes(':') ? 6 : 4, address: to, port: PORT });
      await here;
    },
    async expectHeard({ heard }, from, to) {
      for (;;) {
        tag += 1;
        const mine = response(tag);
        await lab.deliver(from, to, tag);
        const found = heard.find(({ message }) => Buffer.compare(message, mine) === 0);
        if (found) return found;
      }
    },
  };
  return lab;
}

/** Exactly these interfaces have a reader; a process that was killed takes a moment to go. */
export async function expectReaders(interfaces: readonly string[], what?: string): Promise<void> {
  const names = () =>
    readers()
      .map((reader) => reader.interface)
      .sort();
  for (let i = 0; i < 2000 && names().join() !== interfaces.join(); i += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  assert.deepEqual(names(), interfaces, what);
}

/** The processes of ours that capture by libpcap, oldest first. */
export function readers(): { readonly pid: number; readonly interface: string; readonly filter: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [, file = '', on = '', filter = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const ours = Number(parent) === process.pid && state !== 'Z' && file.endsWith('/cap-child.js');
      return ours ? [{ pid, interface: on, filter }] : [];
    } catch {
      return [];
    }
  });
}
