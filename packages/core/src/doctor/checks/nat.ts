/** How the NATs in front of each device behave, in the words of users and of RFC 4787. */
import type { InterfaceConfig } from '../../config/index.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import { isSymmetric } from '../../nat/mapping.js';
import { formatEndpoint } from '../../net/index.js';
import { attempt, type DoctorContext, familiesOf } from '../context.js';
import type { Check, Finding } from '../finding.js';
import { describeNat } from '../pair.js';

const check = 'nat';

export const natCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => (await Promise.all(context.interfaces.map((entry) => look(context, entry)))).flat(),
};

async function look(context: DoctorContext, entry: InterfaceConfig): Promise<readonly Finding[]> {
  const findings = await Promise.all(
    familiesOf(entry).map(async (family) => {
      const { value: nat } = await attempt(context.nat(entry, family));
      if (!nat?.mapped) return [];
      const { value: device } = await attempt(context.device(entry.name));
      return [
        ...judge(nat, `${entry.name} IPv${family}`, device?.listenPort ?? 0),
        ...(await neighbours(context, entry, nat, device?.listenPort ?? 0)),
      ];
    }),
  );
  return findings.flat();
}

function judge(nat: NatBehaviour, subject: string, listenPort: number): readonly Finding[] {
  const { mapping, filtering, cgnat, doubleNat, allocation, allocationDelta, how } = nat;
  const keepsPorts = keeps(nat, listenPort);
  const details = {
    mapping,
    filtering,
    cgnat,
    doubleNat,
    allocation: describeAllocation(allocation),
    allocationDelta,
    keepsPorts,
    how,
  };
  const findings: Finding[] = [
    { check, subject, verdict: 'ok', text: `${describeNat(nat)}: ${rfcWords(nat, keepsPorts)}`, details },
  ];
  if (isSymmetric(nat))
    findings.push({
      check,
      subject,
      verdict: 'note',
      text: `its outer port differs from destination to destination${
        allocationDelta === undefined ? '' : `, by ${allocationDelta} each time`
      }, so peers cannot know it: only peers that let any port in, or have no NAT, connect`,
      remedy:
        'let the router open a port (`port_mapping: auto`), forward a UDP port to this host, switch on static-port (pf) or "full cone" at the router, or use IPv6.',
    });
  if (cgnat)
    findings.push({
      check,
      subject,
      verdict: 'note',
      text: 'the provider translates once more (100.64.0.0/10, carrier-grade NAT): a port forwarded at the own router is not reachable from outside',
      remedy: 'use IPv6, or ask the provider for a public address.',
    });
  else if (doubleNat === true)
    findings.push({
      check,
      subject,
      verdict: 'note',
      text: 'two routers translate one after the other (double NAT): a port has to be forwarded at both',
      remedy: 'let the outer router work as a bridge, or forward the port at both.',
    });
  // That a server lies is a finding about that server.
  const reasons = nat.reasons.filter((text) => !nat.outliers.some((server) => text.startsWith(server)));
  for (const text of reasons) findings.push({ check, subject, verdict: 'note', text });
  return findings;
}

/** Where one port serves all destinations, that one tells. */
function keeps({ mapping, mapped, portPreserving }: NatBehaviour, listenPort: number): boolean | undefined {
  return mapping === 'endpoint-independent' ? mapped?.port === listenPort : portPreserving;
}

/** "delta 2", "block 1024", "random"; undefined: one port serves all destinations. */
function describeAllocation(allocation: NatBehaviour['allocation']): string | undefined {
  if (allocation === undefined || typeof allocation === 'string') return allocation;
  return 'delta' in allocation ? `delta ${allocation.delta}` : `block ${allocation.block}`;
}

/** RFC 4787's own terms. */
function rfcWords({ mapping, filtering }: NatBehaviour, keepsPorts: boolean | undefined): string {
  if (mapping === 'none') return `the host has its public address itself, filtering ${filtering}`;
  const ports = keepsPorts === undefined ? '' : keepsPorts ? ', ports are kept' : ', ports are not kept';
  return `mapping ${mapping}, filtering ${filtering}${ports}`;
}

/** Peers that share our public address, and what an outer port that is not ours may mean. */
async function neighbours(
  context: DoctorContext,
  entry: InterfaceConfig,
  nat: NatBehaviour,
  listenPort: number,
): Promise<readonly Finding[]> {
  const { mapped, mapping, family } = nat;
  if (!mapped || mapping === 'none') return [];
  const subject = `${entry.name} IPv${family}`;
  const findings: Finding[] = [];
  if (mapping === 'endpoint-independent' && mapped.port !== listenPort)
    findings.push({
      check,
      subject,
      verdict: 'note',
      text: `the NAT gives port ${mapped.port} for ${listenPort}: it keeps no ports, or another host behind it has port ${listenPort} already`,
      remedy: `if another host behind this NAT uses port ${listenPort} for WireGuard, give one of the two another ListenPort.`,
    });
  for (const peer of entry.peers.keys()) {
    const { value: records } = await attempt(context.records(entry, peer));
    const theirs = records?.theirs.map(({ record }) => (family === 4 ? record?.ipv4 : record?.ipv6));
    const near = theirs?.find((endpoint) => endpoint?.address === mapped.address);
    if (near)
      findings.push({
        check,
        subject: `${entry.name}/${peer}`,
        verdict: 'note',
        text: `this peer is behind the same NAT as we are (${formatEndpoint(near)}): the tunnel works where the router turns packets around (hairpinning)`,
        remedy:
          'if it does not, set the endpoint in WireGuard to its address in the local network: stunmesh leaves a tunnel alone that works.',
      });
  }
  return findings;
}
