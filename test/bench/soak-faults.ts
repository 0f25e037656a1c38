/** What is done to the pair of the soak, each at a rhythm of its own. */
import { readFile } from 'node:fs/promises';
import { type Daemon, type Host, must, type StoreServer, sleep } from '../e2e/lab/index.js';
import { natRules } from '../e2e/lab/nat-rules.js';
import { mappedPort } from '../e2e/lab/plan.js';
import type { SoakWatch } from './soak-watch.js';

const NAT_FLUSH_S = 20;
const STORE_OUTAGE_S = 47;
const STORE_DOWN_S = 8;
const PLUGIN_KILL_S = 33;
const DAEMON_KILL_S = 120;
const RELOAD_S = 25;
const LINK_FLAP_S = 71;
const LINK_DOWN_S = 2;

/** A host of the pair, with the daemon that runs there now. */
export interface Side {
  readonly host: Host;
  daemon: Daemon;
  /** Starts another one. */
  start(): Promise<Daemon>;
}

export interface Faults {
  /** Resolves when those under way are over. */
  stop(): Promise<void>;
}

export function startFaults(sides: readonly [Side, Side], redis: StoreServer, watch: SoakWatch): Faults {
  const over = new AbortController();
  const failures: unknown[] = [];
  const [a, b] = sides;

  /** `act` learns how often it was called before. */
  const every = async (seconds: number, name: string, act: (round: number) => Promise<void>): Promise<void> => {
    for (let round = 0; ; round += 1) {
      await sleep(seconds * 1_000, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
      watch.fault(name);
      await act(round).catch((error: unknown) => failures.push(error));
    }
  };

  const running = [
    // One side, then the other, then both at once, so that neither hears of the other but through a store.
    every(NAT_FLUSH_S, 'NAT flush', async (round) => {
      const moved = [[a], [b], [a, b]][round % 3] ?? [];
      await Promise.all(moved.map(({ host }) => changePort(host)));
    }),
    every(STORE_OUTAGE_S, 'store outage', async () => {
      await redis.kill();
      await sleep(STORE_DOWN_S * 1_000);
      await redis.start();
    }),
    every(PLUGIN_KILL_S, 'plugin kill', async (round) => {
      for (const pid of await childrenOf((round % 2 === 0 ? a : b).daemon.pid)) process.kill(pid, 'SIGKILL');
    }),
    every(DAEMON_KILL_S, 'daemon kill', async (round) => {
      const side = round % 2 === 0 ? a : b;
      await side.daemon.kill();
      side.daemon = await side.start();
    }),
    every(RELOAD_S, 'SIGHUP', async () => {
      for (const { daemon } of sides) {
        // A program that is being loaded hears no signals yet, and SIGHUP ends it: a service manager waits too, until it is ready.
        const isUp = await daemon.status().then(
          () => true,
          () => false,
        );
        if (isUp) daemon.process.signal('SIGHUP');
      }
    }),
    every(LINK_FLAP_S, 'link flap', async (round) => {
      await flap((round % 2 === 0 ? a : b).host);
    }),
  ];
  return {
    async stop() {
      over.abort();
      await Promise.all(running);
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** The NAT forgets all connections and shows WireGuard by another port, as after a reboot. */
async function changePort(host: Host): Promise<void> {
  const [router] = host.plan.routers;
  if (router === undefined) return;
  const mapped = mappedPort(host.plan.listenPort);
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const input = natRules(router, host.publicAddress)
    .replaceAll(`:${mapped}\n`, `:${port}\n`)
    .replaceAll(`dport ${mapped} `, `dport ${port} `);
  await must(router.namespace, ['nft', '-f', '-'], { input });
  await host.flushConntrack();
}

async function flap(host: Host): Promise<void> {
  const [router] = host.plan.routers;
  await must(host.namespace, ['ip', 'link', 'set', 'eth0', 'down']);
  await sleep(LINK_DOWN_S * 1_000);
  await must(host.namespace, ['ip', 'link', 'set', 'eth0', 'up']);
  await must(host.namespace, ['ip', 'route', 'replace', 'default', 'via', router?.lanAddress ?? '']);
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').flatMap((word) => (word === '' ? [] : Number(word)));
}
