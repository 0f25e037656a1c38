/** What makes a pair connect that its NATs keep apart: a forwarded port, a static port, IPv6; pure. */
import type { NatSummary } from '../../nat/behaviour-types.js';
import { isSymmetric } from '../../nat/mapping.js';
import type { PairContext, PairSide } from '../pair.js';

interface Named extends PairContext {
  readonly ownName: string;
  readonly peerName: string;
}

interface Side {
  readonly name: string;
  readonly port: number | undefined;
  readonly nat: NatSummary;
}

const HOW_TO_KEEP =
  'pf: static-port; Linux: masquerade without "random"; others: keep the source port of this host’s UDP';

/** Each is enough by itself, the most promising first. */
export function pairRemedies(own: PairSide, peer: PairSide, context: Named): readonly string[] {
  const sides = [
    ...(own.ipv4 ? [{ name: context.ownName, port: context.ownPort, nat: own.ipv4 }] : []),
    ...(peer.ipv4 ? [{ name: context.peerName, port: context.peerPort, nat: peer.ipv4 }] : []),
  ];
  const symmetric = sides.filter(({ nat }) => isSymmetric(nat));
  const changeable = symmetric.filter(({ nat }) => !nat.cgnat);
  const remedies = sides.filter((side) => !symmetric.includes(side)).flatMap(openPort);
  if (symmetric.length === 1)
    remedies.push(...changeable.map(({ name }) => `make the NAT of ${name} keep the port (${HOW_TO_KEEP})`));
  else {
    // A forwarded port alone is of no use here: the record names the port that the server saw.
    for (const side of changeable)
      remedies.push(`make the NAT of ${side.name} keep the port (${HOW_TO_KEEP}), and ${openPort(side).join('')}`);
  }
  if (symmetric.length === 1 && sides.length === 2)
    remedies.push('let both hosts search for a way through: hard_nat: full in both configurations');
  const askable = sides.filter(({ nat }) => !nat.cgnat && nat.mapping !== 'none');
  if (askable.length > 0)
    remedies.push(
      `let the router of ${askable.map(({ name }) => name).join(' or of ')} open a port (port_mapping: auto there)`,
    );
  for (const { name, nat } of sides)
    if (nat.cgnat) remedies.push(`ask the carrier of ${name} for a public IPv4 address: its NAT takes no forwarding`);
  if (!own.ipv6 || !peer.ipv6) remedies.push('use IPv6 on both sides (protocol: dualstack): it needs no NAT');
  return remedies;
}

/** Empty where nothing can be opened, which is so at a carrier's NAT, or where all is open. */
function openPort({ name, port, nat }: Side): readonly string[] {
  if (nat.cgnat || nat.filtering === 'endpoint-independent') return [];
  const what = port === undefined ? "WireGuard's UDP port" : `UDP port ${port}`;
  if (nat.mapping === 'none') return [`let ${what} in at the firewall before ${name}`];
  return [`forward ${what} on the router of ${name} to ${name}, with the same port outside`];
}
