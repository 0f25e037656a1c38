/** A NAT in memory between one port and RFC 5780 servers: each mapping and filtering behaviour of RFC 4787. */
import { type Endpoint, type StunMessageEvent, StunmeshError, type StunSocket } from '#src/api/index.js';
import type { FilteringBehaviour, MappingBehaviour } from '#src/nat/behaviour.js';
import { formatEndpoint, parseEndpoint, sameEndpoint } from '#src/net/index.js';
import { createReply } from '#src/stun-server/reply.js';
import type { FakeClock } from '#src/testing/index.js';

export const LISTEN_PORT = 51820;

export interface FakeNatOptions {
  readonly mapping: MappingBehaviour;
  readonly filtering: FilteringBehaviour;
  readonly outside?: string;
  /** The next outer port; default: the inner one for steady mappings, else by steps of 1 from 40000. */
  nextPort?(n: number): number;
}

export interface FakeServer {
  /** One address, or two of a server as RFC 5780 wants it, with the second port one above. */
  readonly addresses: readonly [string] | readonly [string, string];
  readonly quirk?: 'lies' | 'silent' | 'other address silent' | 'ignores change' | 'private other address';
}

export interface FakeNat {
  /** "to" of each packet that left. */
  readonly sent: string[];
  readonly sockets: { open: number };
  openSocket(on: {
    onMessage(event: StunMessageEvent): void;
    onFault(error: StunmeshError): void;
  }): Promise<StunSocket>;
  /** The inside host sends to this endpoint, or a stranger would be let in from it from now on. */
  contact(to: string): void;
  fault(): void;
}

const endpoint = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  if (!parsed) throw new Error(`not an endpoint: ${text}`);
  return parsed;
};

export const OWN = '192.168.1.2';

export function createFakeNat(clock: FakeClock, o: FakeNatOptions, servers: readonly FakeServer[]): FakeNat {
  const outside = o.mapping === 'none' ? OWN : (o.outside ?? '203.0.113.7');
  const mappings = new Map<string, number>();
  /** Outer port and the endpoints that were written to from it. */
  const holes = new Map<number, Endpoint[]>();
  const sent: string[] = [];
  const sockets = { open: 0 };
  let listener: Parameters<FakeNat['openSocket']>[0] | undefined;
  let made = 0;

  const outerPort = (to: Endpoint): number => {
    const key = {
      none: '',
      'endpoint-independent': '',
      unknown: '',
      'address-dependent': to.address,
      'address-and-port-dependent': formatEndpoint(to),
    }[o.mapping];
    const known = mappings.get(key);
    if (known !== undefined) return known;
    const steady = key === '';
    const port = o.nextPort?.(made) ?? (steady ? LISTEN_PORT : 40_000 + made);
    made += 1;
    mappings.set(key, port);
    return port;
  };
  const outward = (to: Endpoint): Endpoint => {
    const port = outerPort(to);
    holes.set(port, [...(holes.get(port) ?? []), to]);
    return { family: 4, address: outside, port };
  };
  const letsIn = (from: Endpoint, port: number): boolean => {
    const known = holes.get(port) ?? [];
    if (o.filtering === 'endpoint-independent') return known.length > 0;
    if (o.filtering === 'address-dependent') return known.some((to) => to.address === from.address);
    return known.some((to) => sameEndpoint(to, from));
  };
  const serve = (bytes: Uint8Array, asked: Endpoint, from: Endpoint): void => {
    for (const { addresses, quirk } of servers) {
      const [one, two] = addresses.map(endpoint);
      if (!one || quirk === 'silent') continue;
      const isTwo = two?.address === asked.address;
      if (asked.address !== one.address && !isTwo) continue;
      if (isTwo && quirk === 'other address silent') return;
      const second = one.port + 1;
      if (asked.port !== one.port && !(two && asked.port === second)) continue;
      const place = (changeIp: boolean, changePort: boolean): Endpoint => ({
        family: 4,
        address: two && changeIp !== isTwo ? two.address : one.address,
        port: (asked.port === one.port) !== changePort ? one.port : second,
      });
      const other = quirk === 'private other address' ? endpoint('10.0.0.9:3479') : place(true, true);
      const reply = createReply(bytes, {
        from: quirk === 'lies' ? endpoint('198.18.9.9:999') : from,
        origin: () => undefined,
        ...(two ? { other } : {}),
      });
      if (!reply) return;
      const { changeIp, changePort } = reply.change;
      if (changeIp && quirk === 'other address silent') return;
      const source = quirk === 'ignores change' ? asked : place(changeIp, changePort);
      if (!letsIn(source, from.port)) return;
      void clock.sleep(20).then(() =>
        listener?.onMessage({
          message: reply.bytes,
          from: source,
          to: { family: 4, address: '0.0.0.0', port: LISTEN_PORT },
        }),
      );
    }
  };

  return {
    sent,
    sockets,
    contact: (to) => void outward(endpoint(to)),
    fault: () => listener?.onFault(new StunmeshError('ERR_CAPTURE_LOST', 'the socket broke')),
    async openSocket(on) {
      listener = on;
      sockets.open += 1;
      return {
        async send(bytes, to) {
          sent.push(formatEndpoint(to));
          serve(bytes, to, outward(to));
        },
        async [Symbol.asyncDispose]() {
          sockets.open -= 1;
          listener = undefined;
        },
      };
    },
  };
}
