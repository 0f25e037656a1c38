/** A host of the LAN that lies about the router, by its own address and with the router's forged. */
import { join } from 'node:path';
import { type Host, type LabProcess, must, REPOSITORY, until } from '../../lab/index.js';

const PROGRAM = join(REPOSITORY, 'test/fixtures/portmap/liar.mjs');
/** The victim's sockets have one of these ports, so that lies find them without having seen a question. */
const PORTS = [40_000, 40_007] as const;

export interface Liar {
  readonly process: LabProcess;
  readonly address: string;
  /** Whose address it forges. */
  readonly router: string;
}

/** `forged`: what it tells with the router's address: "ssdp", "pcp", "nat-pmp"; with its own it tells all. */
export async function startLiar(liar: Host, victim: Host, { forged }: { readonly forged: string }): Promise<Liar> {
  const [{ lanAddress: router } = { lanAddress: '' }] = liar.plan.routers;
  const address = liar.plan.hostAddress;
  await must(victim.namespace, ['sysctl', '-qw', `net.ipv4.ip_local_port_range=${PORTS.join(' ')}`]);
  // It sends with the address, and leaves it to the router to be asked for it.
  await must(liar.namespace, ['sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']);
  await must(liar.namespace, ['ip', 'addr', 'add', `${router}/32`, 'dev', 'lo']);
  const ports = PORTS.map(String);
  const process = liar.spawn([
    ...[globalThis.process.execPath, PROGRAM, victim.plan.hostAddress, ...ports],
    ...[address, forged, address, router],
  ]);
  await until(() => process.stdout.includes('lying'), { what: 'the liar to begin' });
  return { process, address, router };
}
