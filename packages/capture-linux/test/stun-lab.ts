/** Two links to a far side, a stand-in for WireGuard that owns the port, and STUN sockets beside it. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before } from 'node:test';
import type { Endpoint, StunMessageEvent, StunSocket, StunSocketOptions } from '@stunmesh/core/api';
import capture from '#src/index.js';
import { cannotRun, type FarSide, nft, openFarSide, run } from './namespace.js';

export const PORT = 51820;
export const FAR_PORT = 3478;
export const four = (address: string, port = FAR_PORT): Endpoint => ({ family: 4, address, port });
export const six = (address: string, port = FAR_PORT): Endpoint => ({ family: 6, address, port });
/** Reachable by both links; the main table says wan. */
export const ANYWHERE = four('203.0.113.1');
export const ANYWHERE6 = six('2001:db8:99::1');
export const options = { skip: cannotRun ?? false, timeout: 120_000 };

/** A bare binding response; the tag fills its transaction id. */
export const response = (tag: number) =>
  Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(tag));

export interface StunLab {
  readonly far: FarSide;
  /** The UDP socket that owns the port. */
  readonly owner: Socket;
  /** A socket whose messages heardAt() gives; opening one forgets what was heard before. */
  open(more?: Partial<StunSocketOptions>): Promise<StunSocket>;
  heardAt(index: number): Promise<StunMessageEvent>;
  /** Sets the default routes again, which go with a link or an address. */
  route(): void;
}

/** Makes the laboratory before the file's tests and takes it down after; its parts are there once tests run. */
export function useStunLab(): StunLab {
  let far: FarSide | undefined;
  let owner: Socket | undefined;
  const heard: StunMessageEvent[] = [];
  let wake = () => {};

  const there = <T>(part: T | undefined): T => {
    assert.ok(part, 'the laboratory is not there');
    return part;
  };
  const route = () => {
    run('ip route replace default via 192.0.2.2');
    run('ip route replace default via 2001:db8:1::2');
  };

  before(async () => {
    if (cannotRun) return;
    far = await openFarSide(
      [
        { name: 'wan', near: ['192.0.2.1/24', '2001:db8:1::1/64'], far: ['192.0.2.2/24', '2001:db8:1::2/64'] },
        { name: 'alt', near: ['198.51.100.1/24', '2001:db8:2::1/64'], far: ['198.51.100.2/24', '2001:db8:2::2/64'] },
      ],
      FAR_PORT,
    );
    await far.listen(ANYWHERE.address);
    await far.listen(ANYWHERE6.address);
    route();
    owner = createSocket('udp6');
    owner.bind(PORT);
    await once(owner, 'listening');
  });
  after(async () => {
    owner?.close();
    await far?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    if (!cannotRun) nft('flush ruleset');
  });

  return {
    get far() {
      return there(far);
    },
    get owner() {
      return there(owner);
    },
    route,
    open(more = {}) {
      heard.length = 0;
      return capture.openStunSocket({
        family: 4,
        localPort: PORT,
        excludeDevice: 'wg0',
        firewallMark: 0,
        signal: new AbortController().signal,
        onMessage(event) {
          heard.push(event);
          wake();
        },
        onFault: (error) => assert.fail(error),
        ...more,
      });
    },
    async heardAt(index) {
      for (;;) {
        const event = heard[index];
        if (event) return event;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
