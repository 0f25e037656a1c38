/** On kernel devices: a live session is moved from IPv4 to a link between the hosts that came up, under two-way traffic (F48). */
import { type Host, type Lab, must, sleep, until } from '../e2e/lab/index.js';

const LINK = 'side';
/** How long the endpoints are watched after the first one changed. */
const WATCH_MS = 6_000;

export interface KernelSwitch {
  /** From the first changed endpoint until both stay. */
  readonly sticksMs: number;
  readonly sent: number;
  readonly lost: number;
}

/** A link between the hosts, on which nothing arrives as yet; to be there before the daemons start, which tell its addresses. */
export async function addSideLink(lab: Lab): Promise<void> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const peer = ['peer', 'name', LINK, 'netns', b.namespace];
  await must(undefined, ['ip', 'link', 'add', LINK, 'netns', a.namespace, 'type', 'veth', ...peer]);
  for (const host of [a, b]) {
    const batch = [`addr add ${addressOf(host)}/24 dev ${LINK}`, `link set ${LINK} up`];
    await must(undefined, ['ip', '-n', host.namespace, '-batch', '-'], { input: `${batch.join('\n')}\n` });
    await close(host);
  }
}

/** Opens the link, waits for the daemons' beat of a minute, and closes it again once the outcome is known. */
export async function switchOnKernel(lab: Lab, perSecond: number, slow: number): Promise<KernelSwitch> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const ping = a.spawn(['ping', '-n', '-q', '-i', String(1 / perSecond), b.tunnelAddress]);
  await Promise.all([a, b].map(open));
  const seen = async () => {
    const [one, two] = await Promise.all([endpointOf(a), endpointOf(b)]);
    return [one === `${addressOf(b)}:51820`, two === `${addressOf(a)}:51820`] as const;
  };
  await until(async () => (await seen()).some(Boolean), { what: 'an end to move', deadlineMs: 150_000, pollMs: 50 });
  const firstAt = performance.now();
  let elsewhereAt = firstAt;
  let settled = false;
  while (performance.now() - firstAt < WATCH_MS + 200 * slow) {
    settled = (await seen()).every(Boolean);
    if (!settled) elsewhereAt = performance.now();
    await sleep(50);
  }
  ping.signal('SIGINT');
  await ping.exited;
  const numbers = /(\d+) packets transmitted, (\d+) received/.exec(ping.stdout);
  if (!numbers) throw new Error(`ping: ${ping.stderr || ping.stdout}`);
  await Promise.all([a, b].map(close));
  const [sent, received] = [Number(numbers[1]), Number(numbers[2])];
  return { sticksMs: settled ? elsewhereAt - firstAt : Number.POSITIVE_INFINITY, sent, lost: sent - received };
}

/** Both ends have left the closed link. */
export async function backOnIpv4(lab: Lab, slow: number): Promise<void> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  // Traffic makes the silence seen.
  const ping = a.spawn(['ping', '-n', '-q', '-i', '0.5', b.tunnelAddress]);
  await until(
    async () =>
      (await endpointOf(a)) === `${b.publicAddress}:51820` && (await endpointOf(b)) === `${a.publicAddress}:51820`,
    { what: 'both ends to be back on IPv4', deadlineMs: 15_000 * slow, pollMs: 200 },
  );
  ping.signal('SIGINT');
  await ping.exited;
}

const addressOf = (host: Host): string => `10.5.0.${host.name === 'a' ? 1 : 2}`;

async function endpointOf({ namespace, device }: Host): Promise<string | undefined> {
  const shown = await must(namespace, ['wg', 'show', device, 'endpoints']);
  return shown.trim().split('\t')[1];
}

async function close({ namespace }: Host): Promise<void> {
  const chain = `chain in { type filter hook input priority -10; iifname "${LINK}" udp dport 51820 drop; }`;
  await must(namespace, ['nft', '-f', '-'], { input: `table inet closed { ${chain}; }\n` });
}

async function open({ namespace }: Host): Promise<void> {
  await must(namespace, ['nft', 'delete', 'table', 'inet', 'closed']);
}
