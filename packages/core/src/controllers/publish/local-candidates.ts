/** Addresses of this host besides those that STUN sees: of the local network, and as the operator says (`lan`, `advertise`). */
import { type Endpoint, type Family, raceAbort, StunmeshError } from '../../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress } from '../../net/index.js';
import { type LocalCandidate, withCandidates } from '../../paths/candidate.js';
import { hostAddresses } from '../../paths/host-addresses.js';
import { createFault } from '../../peers/faults.js';
import { refusedEndpoint } from '../../record/endpoint-record.js';
import { parseServer, type ServerName } from '../../stun/servers.js';
import type { DeviceComponents } from '../device-components.js';

/** Addresses of no host (RFC 5737, RFC 3849), that stand for any public one where the way out is asked for. */
const ANYWHERE: Readonly<Record<Family, string>> = { 4: '192.0.2.1', 6: '2001:db8::1' };
/** A discovery waits so long for names, and goes on without them. */
const PATIENCE_MS = 1_000;
/** Names that did not resolve are asked for again after this. */
const RETRY_MS = 30_000;
/** Of one name so many addresses are looked at. */
const MOST_ADDRESSES = 16;

export interface LocalCandidateComponents
  extends Pick<
    DeviceComponents,
    'device' | 'clock' | 'logger' | 'underlay' | 'resolve' | 'settings' | 'signal' | 'tunnels'
  > {
  /** Names were resolved after the discovery that asked for them had ended. */
  late(): void;
}

export interface LocalCandidates {
  /** Puts them into the table once the reflexive ones are `known`. `families`: what the device publishes. Never rejects. */
  gather(families: readonly Family[], known: Promise<unknown>): Promise<void>;
}

export function createLocalCandidates(components: LocalCandidateComponents): LocalCandidates {
  const { device, clock, logger, underlay, resolve, settings, signal, tunnels } = components;

  const host = async (families: readonly Family[], listenPort: number): Promise<readonly LocalCandidate[]> => {
    if (device.config.lan === false) return [];
    const routes = await Promise.all(
      families.map(
        async (family) => [family, await underlay.routeTo(ANYWHERE[family]).catch(() => undefined)] as const,
      ),
    );
    const found = hostAddresses(await underlay.interfaces().catch(() => []), {
      listenPort,
      families: new Set(families),
      tunnels: new Set([...(tunnels?.() ?? []), device.facts?.realName ?? device.name]),
      defaultRoutes: new Map(routes.flatMap(([family, route]) => (route ? [[family, route]] : []))),
      told: new Set(
        device.candidates.flatMap(({ type, endpoint }) => (type === 'reflexive' ? [endpoint.address] : [])),
      ),
    });
    return found.map(({ endpoint, interface: foundBy }) => ({ type: 'host', endpoint, foundBy, at: clock.now() }));
  };

  /** Where each name of `advertise` led when it last led anywhere. */
  const known = new Map<string, readonly Endpoint[]>();
  let asked: { readonly key: string; readonly until: number } | undefined;

  const addressesOf = async ({ host: name, port }: ServerName, family: Family): Promise<readonly Endpoint[]> => {
    const literal = parseAddress(name);
    const texts = literal ? [name] : (await resolve(name, family, signal)).slice(0, MOST_ADDRESSES);
    return texts.flatMap((text) => {
      const bytes = parseAddress(text);
      const endpoint = bytes && createEndpoint(bytes, port);
      return endpoint?.family === family && refusedEndpoint(endpoint) === undefined ? [endpoint] : [];
    });
  };

  /** Both families of one entry; what it led to before stays where nothing comes of it now. Why, then. */
  const lookUp = async (text: string, families: readonly Family[]): Promise<string | undefined> => {
    const server = parseServer(text);
    if (!server) return `${text}: not host:port`;
    const reasons: string[] = [];
    const found = await Promise.all(
      families.map((family) =>
        addressesOf(server, family).catch((error: unknown) => {
          reasons.push(error instanceof Error ? error.message : String(error));
          return [];
        }),
      ),
    );
    const endpoints = found.flat();
    if (endpoints.length > 0) known.set(text, endpoints);
    if (endpoints.length > 0 || signal.aborted) return undefined;
    return `${text}: ${reasons[0] ?? 'it has no address of a family that this device publishes'}`;
  };

  const configured = (): readonly LocalCandidate[] =>
    device.config.advertise.flatMap((text) =>
      (known.get(text) ?? []).map(
        (endpoint) => ({ type: 'configured', endpoint, foundBy: text, at: clock.now() }) as const,
      ),
    );

  const note = (reasons: readonly string[]): void => {
    if (signal.aborted) return;
    const before = device.faults.get('advertise');
    if (reasons.length === 0) {
      device.faults.delete('advertise');
      return;
    }
    const error = new StunmeshError(
      'ERR_RESOLVE',
      `advertise: ${reasons.join('; ')}; what was known before is told until it resolves again`,
      { retry: 'later' },
    );
    device.faults.set('advertise', createFault(error, clock.wallNow()));
    if (before?.message !== error.message)
      logger.warn({ device: device.name, error }, 'an address to advertise is not known');
  };

  const resolveAll = async (families: readonly Family[]): Promise<void> => {
    const { advertise } = device.config;
    const key = JSON.stringify([advertise, families, device.generation]);
    if (asked?.key === key && clock.now() < asked.until) return;
    asked = { key, until: clock.now() + settings().refreshIntervalMs };
    for (const text of known.keys()) if (!advertise.includes(text)) known.delete(text);
    const reasons = (await Promise.all(advertise.map((text) => lookUp(text, families)))).filter(
      (why) => why !== undefined,
    );
    if (reasons.length > 0 && asked.key === key)
      asked = { key, until: clock.now() + Math.min(RETRY_MS, settings().refreshIntervalMs) };
    note(reasons);
  };

  const take = (): void => {
    const before = addressesIn(device.candidates);
    device.candidates = withCandidates(device.candidates, 'configured', configured());
    const now = addressesIn(device.candidates);
    if (now !== before) logger.info({ device: device.name, endpoints: now }, 'advertised addresses');
  };

  return {
    async gather(families, reflexive) {
      const resolving = resolveAll(families);
      let ended = false;
      void resolving.then(() => {
        ended = true;
      });
      await reflexive;
      if (!device.facts || device.down) return;
      const lan = await host(families, device.facts.listenPort);
      if (device.config.advertise.length > 0) {
        using patience = clock.deadline(PATIENCE_MS, signal);
        await raceAbort(resolving, patience.signal).catch(() => undefined);
        if (!ended)
          void resolving.then(() => {
            if (signal.aborted || !device.facts || device.down) return;
            take();
            components.late();
          });
      }
      // The device went, or lies down, meanwhile.
      if (!device.facts || device.down) return;
      device.candidates = withCandidates(device.candidates, 'host', lan);
      take();
    },
  };
}

function addressesIn(candidates: readonly LocalCandidate[]): string {
  return candidates
    .flatMap(({ type, endpoint }) => (type === 'configured' ? [formatEndpoint(endpoint)] : []))
    .join(', ');
}
