/** Names to addresses past a tunnel that takes over the default way: name servers are asked with the device's mark too. */
import { isIP } from 'node:net';
import { type CaptureModule, type Clock, type Family, StunmeshError } from '../api/index.js';
import { createDnsClient } from './dns-client.js';
import { markTo, type TunnelDevice } from './full-tunnel.js';
import { readResolvConf } from './resolv-conf.js';
import { createResolver, type Resolver } from './resolver.js';

/** Once one family has addresses, the other has so long: some servers drop questions for AAAA. RFC 8305 section 3 waits 50 ms. */
const OTHER_FAMILY_MS = 300;

export interface NameLookupOptions {
  readonly clock: Clock;
  readonly capture: Pick<CaptureModule, 'openDatagramSocket'>;
  /** The devices as they are now. */
  devices(): Iterable<TunnelDevice>;
  /** Whether some device takes over the default way now. */
  tunnelled(): boolean;
  /** Stand-ins (tests). */
  readonly resolvConf?: string;
  readonly hostsFile?: string;
  /** Whom the system asks, "192.0.2.53:53". */
  readonly nameServers?: readonly string[];
}

export interface NameLookup {
  readonly resolve: Resolver;
  /** Of both families, of a number itself. Errors: those of `resolve`. */
  addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]>;
}

export function createNameLookup(options: NameLookupOptions): NameLookup {
  const { clock, hostsFile, nameServers: systems } = options;
  const { openDatagramSocket } = options.capture;
  const ask = createDnsClient({
    clock,
    async open(to, onMessage, onFault) {
      if (!openDatagramSocket) throw new StunmeshError('ERR_INTERNAL', 'this capture opens no marked socket');
      const firewallMark = markTo(to.address, options.devices());
      return openDatagramSocket({ to, firewallMark, onMessage, onFault });
    },
  });

  /** Undefined: no name server is behind a tunnel that takes over the default way. */
  const askMarked = (host: string, family: Family, signal: AbortSignal): Promise<readonly string[]> | undefined => {
    if (!options.tunnelled() || !openDatagramSocket) return undefined;
    const servers = readResolvConf(options.resolvConf).nameServers;
    if (!servers.some(({ address }) => markTo(address, options.devices()) !== 0)) return undefined;
    return ask(host, family, servers, signal);
  };

  const resolve = createResolver({
    ask: askMarked,
    clock,
    ...(options.resolvConf ? { resolvConf: options.resolvConf } : {}),
    ...(hostsFile ? { hostsFile } : {}),
    ...(systems ? { nameServers: systems } : {}),
  });

  return {
    resolve,
    async addressesOf(host, signal) {
      if (isIP(host) !== 0) return [host];
      const over = new AbortController();
      const end = (): void => over.abort(signal.reason);
      signal.addEventListener('abort', end, { once: true });
      try {
        const asked = ([4, 6] as const).map(async (family) => {
          const addresses = await resolve(host, family, over.signal);
          if (addresses.length > 0) clock.sleep(OTHER_FAMILY_MS, over.signal).then(end, () => undefined);
          return addresses;
        });
        const found = await Promise.allSettled(asked);
        signal.throwIfAborted();
        const addresses = found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
        if (addresses.length > 0) return addresses;
        const reason = found.find((each) => each.status === 'rejected')?.reason;
        throw reason ?? new StunmeshError('ERR_RESOLVE', `${host} has no address`);
      } finally {
        signal.removeEventListener('abort', end);
        over.abort();
      }
    },
  };
}
