/** What real WireGuards show of a peer's life, case by case, read by the daemon's rules: the tests run it on wireguard-go and on kernel devices. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Host, must, REPOSITORY, run, sleep, until } from '../../lab/index.js';

export interface Fact {
  readonly what: string;
  /** 'alive', 'inbound' or 'neither'. */
  readonly expected: string;
  readonly seen: string;
}

interface Reading {
  readonly publicKey: string;
  readonly allowedIps: readonly string[];
  readonly latestHandshakeAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly keepaliveSeconds: number;
}

interface Rules {
  createLife(): object;
  observe(
    before: object,
    peer: Reading,
    now: number,
    wallNow: number,
  ): { readonly life: object; readonly alive: boolean; readonly inbound: boolean };
}

/** Our own reader of `wg show DEVICE dump`, so that a wrong one of the product's is not believed. */
async function read(host: Host, peer: Host): Promise<Reading> {
  const stdout = await must(host.namespace, ['wg', 'show', host.device, 'dump'], { timeoutMs: 60_000 });
  const fields =
    stdout
      .split('\n')
      .find((line) => line.startsWith(peer.keys.publicKey))
      ?.split('\t') ?? [];
  const [handshake = 0, rxBytes = 0, txBytes = 0, keepaliveSeconds] = fields.slice(4).map(Number);
  return {
    publicKey: peer.keys.publicKey,
    allowedIps: [],
    ...(handshake > 0 && { latestHandshakeAt: handshake * 1000 }),
    rxBytes,
    txBytes,
    keepaliveSeconds: keepaliveSeconds || 0,
  };
}

/** Both devices know each other's endpoints; nothing else runs. `slow`: how many times longer things take here. */
export async function healthFacts(a: Host, b: Host, slow = 1): Promise<readonly Fact[]> {
  const file = join(REPOSITORY, 'packages/core/dist/peers/health.js');
  const rules = (await import(pathToFileURL(file).href)) as Rules;
  // Packets under way arrive; a computed machine takes longer over them.
  const settleMs = 1300 + 200 * slow;
  const facts: Fact[] = [];
  let life = rules.createLife();
  const look = async (): Promise<string> => {
    const observed = rules.observe(life, await read(a, b), performance.now(), Date.now());
    life = observed.life;
    return observed.alive ? 'alive' : observed.inbound ? 'inbound' : 'neither';
  };
  const wg = (host: Host, ...words: string[]) => must(host.namespace, ['wg', 'set', host.device, ...words]);
  const ping = async (from: Host, to: Host, seconds = 1): Promise<boolean> =>
    (await from.exec(['ping', '-n', '-c', '1', '-W', `${seconds}`, to.tunnelAddress])).code === 0;
  const connected = () =>
    // Both send: each opens its own NAT.
    until(async () => (await Promise.all([ping(a, b), ping(b, a)])).every(Boolean), {
      what: 'a ping through the tunnel',
      deadlineMs: 20_000 * slow,
      pollMs: 100,
    });
  /** Looks once more after `act` and notes what is seen. */
  const note = async (what: string, expected: Fact['expected'], act: () => Promise<unknown>): Promise<void> => {
    await look();
    await act();
    facts.push({ what, expected, seen: await look() });
  };
  /** As `note`, but waits until something other than 'neither' is seen. */
  const awaitFact = async (what: string, expected: string, deadlineMs: number, act: () => Promise<unknown>) => {
    await look();
    await act();
    const seen = await until(async () => (await look().then((now) => now !== 'neither' && now)) || undefined, {
      what,
      deadlineMs: deadlineMs * slow,
      pollMs: 200,
    }).catch(() => 'neither');
    facts.push({ what, expected, seen });
  };

  await awaitFact('the first handshake', 'alive', 20_000, connected);
  // What a session's first seconds bring by themselves has come: a ping that was answered too late brings a keepalive ten seconds on.
  await sleep(settleMs);
  const quiet = async (): Promise<boolean> => {
    await look();
    await sleep(1000);
    return (await look()) === 'neither';
  };
  // One such second is the fact: the next may have that keepalive.
  const seen = await until(quiet, { what: 'a quiet second', deadlineMs: 15_000 * slow }).then(
    () => 'neither',
    () => 'alive',
  );
  facts.push({ what: 'a second in which nobody sends', expected: 'neither', seen });
  await note('the peer sends data', 'alive', () => ping(b, a));
  await drop(b, `iifname "${b.device}"`, 'input');
  // A living WireGuard answers data that its host does not by a keepalive, ten seconds later.
  await awaitFact('our data is not answered, but the peer lives', 'alive', 14_000, () => ping(a, b));
  await undrop(b);
  await wg(b, 'peer', a.keys.publicKey, 'persistent-keepalive', '1');
  await awaitFact("the peer's persistent keepalive", 'alive', 5_000, async () => undefined);
  await wg(b, 'peer', a.keys.publicKey, 'persistent-keepalive', 'off');
  await sleep(settleMs);

  // Our packets are lost on the way; the peer has lost its session and calls.
  await drop(a, 'oifname "eth0" meta l4proto udp', 'output');
  await note('our data is lost on the way', 'neither', () => ping(a, b));
  await renew(b, a);
  await awaitFact('the peer calls and does not hear our answer', 'inbound', 8_000, () => ping(b, a));
  await awaitFact('it calls again', 'inbound', 12_000, async () => undefined);
  await undrop(a);
  await awaitFact('it hears us again', 'alive', 14_000, async () => undefined);

  await sleep(settleMs);
  await note('our own peer entry is made anew: counters go back', 'neither', () => renew(a, b));
  await awaitFact('it shakes hands again', 'alive', 20_000, connected);
  return facts;
}

/** Removes a peer and adds it again with the same endpoint: its session is gone. */
async function renew(host: Host, peer: Host): Promise<void> {
  const key = peer.keys.publicKey;
  await must(host.namespace, ['wg', 'set', host.device, 'peer', key, 'remove']);
  const endpoint = `${peer.publicAddress}:${peer.plan.listenPort}`;
  const words = ['peer', key, 'endpoint', endpoint, 'allowed-ips', `${peer.tunnelAddress}/32`];
  await must(host.namespace, ['wg', 'set', host.device, ...words]);
}

async function drop(host: Host, match: string, hook: 'input' | 'output'): Promise<void> {
  const input = `table inet lost {\nchain lost { type filter hook ${hook} priority -10; policy accept;\n${match} drop\n}\n}\n`;
  await must(host.namespace, ['nft', '-f', '-'], { input, timeoutMs: 60_000 });
}

async function undrop(host: Host): Promise<void> {
  await run(host.namespace, ['nft', 'delete', 'table', 'inet', 'lost'], { timeoutMs: 60_000 });
}
