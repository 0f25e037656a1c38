/** A router that maps ports, as a double: what a test cannot provoke of a real one, under a fake clock. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type DatagramSocket, type DatagramSocketOptions, type Endpoint, StunmeshError } from '#src/api/index.js';
import { parseAddress } from '#src/net/index.js';
import { childOf, parseXml } from '#src/portmap/codec/xml.js';
import type { FakeClock } from '#src/testing/index.js';

type Protocol = 'pcp' | 'nat-pmp' | 'upnp';

export interface RouterEntry {
  readonly client: string;
  readonly internalPort: number;
  readonly nonce?: string;
  readonly leaseSeconds: number;
}

export interface FakeRouter {
  readonly address: string;
  external: string;
  speaks: ReadonlySet<Protocol>;
  /** Datagrams to it vanish. */
  silent: boolean;
  /** Results of requests for a mapping, instead of a mapping: PCP's and NAT-PMP's number, UPnP's codes in turn. */
  refuses: number;
  faults: number[];
  /** UPnP: the version of WANIPConnection, and hosts as its texts name them. */
  version: 1 | 2;
  location: string;
  control: string;
  /** By external port. */
  readonly entries: Map<number, RouterEntry>;
  /** When something arrived, and what: "pcp map", "nat-pmp address", "ssdp", "http GetExternalIPAddress". */
  readonly arrived: { readonly at: number; readonly what: string }[];
  /** Forgets all, and its epoch begins anew. */
  restart(): void;
  /** Said before each answer, as a stranger might. */
  lie?: (message: Uint8Array) => Uint8Array;
  openDatagramSocket(options: Omit<DatagramSocketOptions, 'firewallMark' | 'fib'>): Promise<DatagramSocket>;
  connectTcp(options: { readonly to: Endpoint; readonly signal: AbortSignal }): Promise<Socket>;
}

const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection';

export function createFakeRouter(clock: FakeClock, speaks: readonly Protocol[], client = '192.168.1.2'): FakeRouter {
  let startedAt = clock.now() - 1_000_000;
  const note = (what: string) => router.arrived.push({ at: clock.now(), what });
  const epoch = () => Math.floor((clock.now() - startedAt) / 1000);

  const grant = (wanted: number, entry: RouterEntry): number => {
    let port = wanted;
    const foreign = (known: RouterEntry | undefined) =>
      known !== undefined && (known.client !== entry.client || known.internalPort !== entry.internalPort);
    while (foreign(router.entries.get(port))) port += 1;
    router.entries.set(port, entry);
    return port;
  };
  const remove = (internalPort: number): void => {
    for (const [port, entry] of router.entries)
      if (entry.client === client && entry.internalPort === internalPort) router.entries.delete(port);
  };

  const pcp = (request: Uint8Array): Uint8Array => {
    const view = new DataView(request.buffer, request.byteOffset);
    const answer = Uint8Array.from(request);
    const out = new DataView(answer.buffer);
    answer[1] = (request[1] ?? 0) | 0x80;
    answer.fill(0, 12, 24);
    out.setUint32(8, epoch());
    note(request[1] === 1 ? 'pcp map' : 'pcp announce');
    if (request[1] !== 1) return answer;
    const lifetime = view.getUint32(4);
    const internalPort = view.getUint16(40);
    answer[3] = router.refuses;
    if (router.refuses === 0 && lifetime === 0) remove(internalPort);
    else if (router.refuses === 0) {
      const nonce = Buffer.from(request.subarray(24, 36)).toString('hex');
      const entry = { client, internalPort, nonce, leaseSeconds: lifetime };
      out.setUint16(42, grant(view.getUint16(42), entry));
    }
    const external = parseAddress(router.external) ?? new Uint8Array(4);
    if (external.length === 16) answer.set(external, 44);
    else answer.set([...new Uint8Array(10), 255, 255, ...external], 44);
    return answer;
  };

  const natPmp = (request: Uint8Array): Uint8Array => {
    const isMap = request[1] === 1;
    note(isMap ? 'nat-pmp map' : 'nat-pmp address');
    const answer = new Uint8Array(isMap ? 16 : 12);
    const out = new DataView(answer.buffer);
    answer[1] = 0x80 | (request[1] ?? 0);
    out.setUint32(4, epoch());
    if (!isMap) {
      answer.set(parseAddress(router.external) ?? [], 8);
      return answer;
    }
    const view = new DataView(request.buffer, request.byteOffset);
    const internalPort = view.getUint16(4);
    const leaseSeconds = view.getUint32(8);
    out.setUint16(2, router.refuses);
    out.setUint16(8, internalPort);
    out.setUint32(12, leaseSeconds);
    if (leaseSeconds === 0) remove(internalPort);
    else if (router.refuses === 0) out.setUint16(10, grant(view.getUint16(6), { client, internalPort, leaseSeconds }));
    return answer;
  };

  const answerTo = (port: number, request: Uint8Array): Uint8Array | 'refused' | undefined => {
    if (port === 1900) {
      if (!router.speaks.has('upnp')) return 'refused';
      note('ssdp');
      const type = /^ST: (\S+)/m.exec(Buffer.from(request).toString())?.[1] ?? '';
      return Buffer.from(`HTTP/1.1 200 OK\r\nST: ${type}\r\nLOCATION: ${router.location}\r\n\r\n`);
    }
    if (request[0] === 2 && router.speaks.has('pcp')) return pcp(request);
    if (!router.speaks.has('nat-pmp')) return 'refused';
    return request[0] === 0 ? natPmp(request) : Uint8Array.of(0, 0x81, 0, 1, 0, 0, 0, 9);
  };

  const soap = (body: string): string => {
    const call = childOf(parseXml(body), 'Body')?.children[0];
    const value = (name: string) => childOf(call, name)?.text ?? '';
    const action = call?.name ?? '';
    note(`http ${action}`);
    const ok = (values = '') => envelope(`<u:${action}Response>${values}</u:${action}Response>`);
    const fault = (code: number) =>
      envelope(`<s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`);
    const port = Number(value('NewExternalPort'));
    const known = router.entries.get(port);
    switch (action) {
      case 'GetExternalIPAddress':
        return ok(`<NewExternalIPAddress>${router.external}</NewExternalIPAddress>`);
      case 'GetSpecificPortMappingEntry':
        if (!known) return fault(714);
        return ok(
          `<NewInternalPort>${known.internalPort}</NewInternalPort><NewInternalClient>${known.client}</NewInternalClient>`,
        );
      case 'DeletePortMapping':
        return router.entries.delete(port) ? ok() : fault(714);
      default: {
        const next = router.faults.shift();
        if (next !== undefined) return fault(next);
        if (action === 'AddPortMapping' && known && known.client !== value('NewInternalClient')) return fault(718);
        const leaseSeconds = Number(value('NewLeaseDuration'));
        const entry = {
          client: value('NewInternalClient'),
          internalPort: Number(value('NewInternalPort')),
          leaseSeconds,
        };
        return ok(`<NewReservedPort>${grant(port, entry)}</NewReservedPort>`);
      }
    }
  };

  const page = (request: string): string => {
    if (request.startsWith('POST')) return soap(request.slice(request.indexOf('\r\n\r\n') + 4));
    note('http description');
    const service = `<service><serviceType>${SERVICE}:${router.version}</serviceType><controlURL>${router.control}</controlURL></service>`;
    return `<?xml version="1.0"?><root><device><serviceList>${service}</serviceList></device></root>`;
  };

  const router: FakeRouter = {
    address: '192.168.1.1',
    external: '203.0.113.9',
    speaks: new Set(speaks),
    silent: false,
    refuses: 0,
    faults: [],
    version: 2,
    location: 'http://192.168.1.1:5000/rootDesc.xml',
    control: '/ctl',
    entries: new Map(),
    arrived: [],
    restart() {
      router.entries.clear();
      startedAt = clock.now();
    },
    async openDatagramSocket({ to, onMessage, onFault }) {
      let open = true;
      return {
        async send(message) {
          if (router.silent) {
            note('lost');
            return;
          }
          const answer = answerTo(to.port, message);
          await clock.sleep(1);
          if (!open || answer === undefined) return;
          if (answer === 'refused')
            onFault(new StunmeshError('ERR_CAPTURE_SEND', 'refused', { details: { code: 'ECONNREFUSED' } }));
          else {
            if (router.lie) onMessage(router.lie(answer));
            onMessage(answer);
          }
        },
        async [Symbol.asyncDispose]() {
          open = false;
        },
      };
    },
    async connectTcp({ to }) {
      if (to.address !== router.address) throw new Error(`asked ${to.address}`);
      const socket: Duplex = new Duplex({
        read: () => undefined,
        write(piece: Buffer, _, done) {
          const body = Buffer.from(page(piece.toString()));
          socket.push(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
          socket.push(body);
          done();
        },
      });
      return socket as unknown as Socket;
    },
  };
  return router;
}

function envelope(body: string): string {
  return `<s:Envelope><s:Body>${body}</s:Body></s:Envelope>`;
}
