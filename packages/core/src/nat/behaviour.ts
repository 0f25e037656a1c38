/** Finds out how the NAT in front of WireGuard's port behaves, from that very port, without touching what passes through it. */
import { isStunmeshError } from '../api/index.js';
import { formatAddress, formatEndpoint, parseAddress } from '../net/index.js';
import type { AgentSocket } from '../stun/agent.js';
import { changeRequestAttribute } from '../stun/attributes.js';
import type { BindingAnswer } from '../stun/transaction.js';
import { judgeAnswer } from '../stun/verdict.js';
import { judgeAllocation } from './allocation.js';
import type { FilteringBehaviour, NatBehaviour, NatOptions, NatParts } from './behaviour-types.js';
import { type Ask, isCarrierRange, testFiltering } from './filtering.js';
import { allocationDelta, isSymmetric, judgeObservations, judgePair } from './mapping.js';
import { type Answered, askServers, chooseTargets, type Pair, pairs, type Session } from './servers.js';

export type * from './behaviour-types.js';

/** Requests go at 0, 0.5 and 1.5 s; filtering is proved by silence, so each such test lasts this long. */
const ANSWER_MS = 2500;

/** One finding, by about twenty small packets to the servers at most, within about 12 s. A working tunnel is not disturbed: nothing goes to
 * peers or to WireGuard, and a NAT keeps the mappings towards others while new ones are made. Servers that fail are named in the
 * result. Errors: those of the agent's socket, ERR_CAPTURE_LOST, or the signal's reason. */
export async function discoverNatBehaviour(parts: NatParts, o: NatOptions): Promise<NatBehaviour> {
  o.signal.throwIfAborted();
  const over = new AbortController();
  const onAbort = (): void => over.abort(o.signal.reason);
  o.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await using socket = await parts.agent.acquire(o.family, o.signal);
    const onLost = (): void => over.abort(socket.lost.reason);
    if (socket.lost.aborted) onLost();
    socket.lost.addEventListener('abort', onLost, { once: true, signal: over.signal });
    const session: Session = {
      o,
      parts,
      ask: createAsk(socket, over.signal),
      own: canonical(o.ownAddresses),
      place: {
        family: o.family,
        listenPort: o.listenPort,
        ownAddresses: canonical(o.ownAddresses),
        tunnelAddresses: canonical(o.tunnelAddresses ?? []),
      },
      signal: over.signal,
      failures: new Map(),
    };
    const result = await examine(session);
    over.signal.throwIfAborted();
    return result;
  } finally {
    o.signal.removeEventListener('abort', onAbort);
    over.abort();
  }
}

function createAsk(socket: AgentSocket, signal: AbortSignal): Ask {
  return ({ server, change, sources }) =>
    socket.ask({
      server,
      ...(sources ? { sources } : {}),
      attributes: change ? [changeRequestAttribute(change)] : [],
      timeoutMs: ANSWER_MS,
      signal,
    });
}

async function examine(session: Session): Promise<NatBehaviour> {
  const { o, failures } = session;
  const { first: targets, further } = await chooseTargets(session);
  const answered = [...(await askServers(session, targets))];
  // A second witness, where there is none yet; not before it is known that the first has no other address, which may be this one.
  if (answered.length < 2 && (await pairs(session, answered)).length === 0)
    answered.push(...(await askServers(session, further.slice(0, 1))));
  const observations = answered.map(({ observation }) => observation);
  const byServers = judgeObservations(observations);
  const reasons = [...byServers.reasons];
  let { mapping } = byServers;
  let how: NatBehaviour['how'] =
    new Set(observations.map((s) => s.address.address)).size > 1 ? 'several-servers' : 'single';
  const trusted = answered.filter(({ server }) => !byServers.outliers.includes(server));
  const ports = trusted.map(({ observation }) => observation.mapped.port);

  const filtered = await examineFiltering(session, trusted, answered, reasons);
  const undecided = mapping === 'unknown' || mapping === 'address-and-port-dependent';
  const pair = undecided ? (filtered?.pair ?? (await pairs(session, trusted))[0]) : undefined;
  const paired = await examinePair(session, pair);
  if (paired) {
    mapping = paired.mapping;
    how = 'rfc5780';
    ports.push(...paired.ports);
    reasons.splice(0, byServers.reasons.length);
  }
  const first = trusted[0]?.observation;
  const dependent = isSymmetric({ mapping });
  const delta = dependent ? allocationDelta(ports) : undefined;
  // A NAT that keeps ports gives another one where two hosts with the same port write to the same server.
  if (dependent && ports.includes(o.listenPort))
    reasons.push(
      `some servers see our own port ${o.listenPort}, others another one: if a second host behind this NAT listens on ${o.listenPort} too, give one of the two another ListenPort`,
    );
  const distance = first?.natted === true && mapping !== 'none' ? await session.o.distance?.(first.mapped) : undefined;
  const cgnat = [o.sourceAddress, first?.mapped.address].some((a) => a !== undefined && isCarrierRange(a));
  if (mapping !== 'none' && distance !== undefined && distance > 1)
    reasons.push(`the public address is held by a router ${distance} hops away, not by the first one`);
  return {
    family: o.family,
    mapping,
    filtering: believable(filtered?.filtering ?? 'unknown', mapping, o, reasons),
    cgnat,
    portPreserving: first && ports.every((port) => port === o.listenPort),
    ...(delta === undefined ? {} : { allocationDelta: delta }),
    ...(dependent ? { allocation: judgeAllocation(ports) } : {}),
    doubleNat: mapping === 'none' ? false : distance === undefined ? undefined : distance > 1,
    mapped: first?.mapped,
    how,
    observations: observations.map(({ server, address, mapped, rttMs }) => ({ server, address, mapped, rttMs })),
    failures,
    outliers: byServers.outliers,
    reasons,
  };
}

function believable(
  filtering: FilteringBehaviour,
  mapping: NatBehaviour['mapping'],
  { beforeFirewall }: NatOptions,
  reasons: string[],
): FilteringBehaviour {
  if (beforeFirewall !== true || mapping !== 'none' || filtering === 'address-and-port-dependent') return filtering;
  reasons.push("what this host's own firewall lets in is not visible to the capture here");
  return 'unknown';
}

async function examineFiltering(
  session: Session,
  trusted: readonly Answered[],
  asked: readonly Answered[],
  reasons: string[],
): Promise<{ readonly filtering: FilteringBehaviour; readonly pair: Pair } | undefined> {
  if (session.o.filtering === false || trusted.length === 0) return undefined;
  const contacted = new Set([...(session.o.contacted ?? []), ...asked.map(({ address }) => address.address)]);
  const candidates = await pairs(session, trusted, contacted);
  if (candidates.length === 0)
    reasons.push('no server has a second address to answer from (OTHER-ADDRESS), so filtering is not told');
  for (const pair of candidates.slice(0, 2)) {
    const verdict = await testFiltering(session.ask, pair.address, pair.other, contacted);
    reasons.push(...verdict.reasons);
    if (verdict.filtering !== 'unknown')
      return {
        filtering: verdict.filtering,
        pair: verdict.control ? { ...pair, control: verdict.control } : pair,
      };
  }
  return undefined;
}

/** Section 4.3 of RFC 5780, by the server that is known to have a working second address. */
async function examinePair(
  { ask, place, signal }: Session,
  pair: Pair | undefined,
): Promise<{ readonly mapping: NatBehaviour['mapping']; readonly ports: readonly number[] } | undefined> {
  if (!pair) return undefined;
  try {
    const at = async (answer: BindingAnswer | Promise<BindingAnswer>) => judgeAnswer(await answer, place).mapped;
    const first = pair.observation.mapped;
    const second = await at(pair.control ?? ask({ server: { ...pair.other, port: pair.address.port } }));
    const same = formatEndpoint(first) === formatEndpoint(second);
    const third = same ? undefined : await at(ask({ server: pair.other }));
    const mapping = judgePair({ first, otherAddress: second, otherPort: third });
    return { mapping, ports: [second.port, ...(third ? [third.port] : [])] };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (isStunmeshError(error)) return undefined;
    throw error;
  }
}

function canonical(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(addresses.flatMap((text) => parseAddress(text) ?? []).map(formatAddress));
}
