/** Do marked probes leave where WireGuard's own packets do, towards the STUN servers as towards the peers? */
import type { Device, Route } from '../../api/index.js';
import type { InterfaceConfig } from '../../config/index.js';
import { parseAddress } from '../../net/index.js';
import { formatMark, list } from '../../runtime/terminal-text.js';
import { parseServer } from '../../stun/servers.js';
import type { Underlay } from '../../underlay/underlay.js';
import { type RoutingWords, wordsOf } from '../../wireguard/platform.js';
import { attempt, type DoctorContext, familiesOf } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';
import { SESSION_MS } from '../verdicts/tunnel.js';

const check = 'route';

interface Way {
  /** What lies there, in words. */
  readonly to: string;
  readonly address: string;
  readonly isPeer: boolean;
  readonly marked: Route | undefined;
  readonly plain: Route | undefined;
}

export const routeCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => (await Promise.all(context.interfaces.map((entry) => look(context, entry)))).flat(),
};

async function look(context: DoctorContext, entry: InterfaceConfig): Promise<readonly Finding[]> {
  const [{ value: device }, { value: underlay }] = await Promise.all([
    attempt(context.device(entry.name)),
    attempt(context.underlay(entry)),
  ]);
  if (!device || !underlay?.tellsRoutes) return [];
  const { value: ways, error } = await attempt(findWays(context, entry, device, underlay));
  if (!ways) return [{ check, subject: entry.name, verdict: 'warning', ...fromError(error) }];
  const { firewallMark, name } = device;
  const words = wordsOf(context.parts.system.platform).routing({
    device: name,
    mark: formatMark(firewallMark),
    ...(entry.fib === undefined ? {} : { fib: entry.fib }),
  });
  return ways.length === 0 ? [] : judge(ways, device, words);
}

/** The STUN servers as far as their addresses are known, and where the peers are said to be. */
async function findWays(
  context: DoctorContext,
  entry: InterfaceConfig,
  device: Device,
  underlay: Underlay,
): Promise<readonly Way[]> {
  const families = familiesOf(entry);
  const targets = new Map<string, { readonly to: string; readonly isPeer: boolean }>();
  for (const text of context.config?.stun.addresses ?? []) {
    const host = parseServer(text)?.host ?? '';
    const addresses = parseAddress(host) ? [host] : await resolveAll(context, host, families);
    for (const address of addresses) targets.set(address, { to: `STUN server ${text}`, isPeer: false });
  }
  for (const [name, peer] of entry.peers) {
    const { endpoint, latestHandshakeAt = 0 } = device.peers.get(peer.publicKey) ?? {};
    // A tunnel that stands proves its way, whichever it is.
    if (endpoint && context.parts.clock.wallNow() - latestHandshakeAt > SESSION_MS)
      targets.set(endpoint.address, { to: `peer ${name} (${endpoint.address})`, isPeer: true });
  }
  const wanted = [...targets].filter(([address]) => families.includes(address.includes(':') ? 6 : 4));
  return Promise.all(
    wanted.map(async ([address, target]) => ({
      ...target,
      address,
      marked: await underlay.routeTo(address),
      plain: await underlay.unmarkedRouteTo(address),
    })),
  );
}

async function resolveAll(
  context: DoctorContext,
  host: string,
  families: readonly (4 | 6)[],
): Promise<readonly string[]> {
  const { resolve, clock, signal } = context.parts;
  using limit = clock.deadline(3_000, signal);
  const found = await Promise.all(families.map((family) => attempt(resolve(host, family, limit.signal))));
  return found.flatMap(({ value }) => value ?? []);
}

function judge(ways: readonly Way[], device: Device, words: RoutingWords): readonly Finding[] {
  const { name: subject, realName } = device;
  const findings: Finding[] = [];
  const name = (some: readonly Way[]) => list(some.map(({ to }) => to));
  const into = ways.filter(({ marked }) => marked?.interface === realName);
  if (into.length > 0)
    findings.push({
      check,
      subject,
      verdict: 'fault',
      text: `the way to ${name(into)} leads into the tunnel itself`,
      remedy: `route these addresses outside ${realName}; ${words.fullTunnel}.`,
      code: 'ERR_STUN_ADDRESS',
    });
  const nowhere = ways.filter(({ marked, plain }) => !marked && plain);
  if (nowhere.length > 0)
    findings.push({
      check,
      subject,
      verdict: 'fault',
      text: `${words.own} have no route to ${name(nowhere)}; ${words.others} have one`,
      remedy: remedyOf('ERR_STUN_NO_ROUTE'),
      code: 'ERR_STUN_NO_ROUTE',
    });
  const elsewhere = ways.filter(
    ({ marked, plain }) =>
      marked &&
      plain &&
      marked.interface !== realName &&
      plain.interface !== realName &&
      marked.interface !== plain.interface,
  );
  if (elsewhere.length > 0)
    findings.push({
      check,
      subject,
      verdict: 'warning',
      text: `${words.own} leave by ${list(interfacesOf(elsewhere, 'marked'))}, ${words.others} by ${list(
        interfacesOf(elsewhere, 'plain'),
      )} (towards ${name(elsewhere)})`,
      remedy: `if that is not meant, ${words.look}.`,
      code: 'ERR_STUN_NO_ROUTE',
    });
  const servers = interfacesOf(
    ways.filter(({ isPeer }) => !isPeer),
    'marked',
  );
  const astray = ways.filter(
    ({ isPeer, marked }) => isPeer && marked && servers.length > 0 && !servers.includes(marked.interface),
  );
  if (astray.length > 0)
    findings.push({
      check,
      subject,
      verdict: 'warning',
      text: `STUN servers are reached by ${list(servers)}, but ${name(astray)} by ${list(
        interfacesOf(astray, 'marked'),
      )}: the address that is published may not be the one that this peer sees`,
      remedy: 'route both the same way, or accept it where the peer is in a network of our own.',
    });
  if (findings.length > 0) return findings;
  const out = interfacesOf(ways, 'marked');
  if (out.length === 0)
    return [
      {
        check,
        subject,
        verdict: 'fault',
        text: `there is no route to ${name(ways)}`,
        remedy: remedyOf('ERR_STUN_NO_ROUTE'),
        code: 'ERR_STUN_NO_ROUTE',
      },
    ];
  return [{ check, subject, verdict: 'ok', text: `probes leave by ${list(out)}, as WireGuard's own packets do` }];
}

function interfacesOf(ways: readonly Way[], which: 'marked' | 'plain'): readonly string[] {
  return [...new Set(ways.flatMap((way) => way[which]?.interface ?? []))];
}
