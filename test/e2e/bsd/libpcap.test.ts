/** capture-bsd over libpcap in place of capture-linux: pairs connect through NATs, and what befalls interfaces and readers passes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Host, type Lab, must, REPOSITORY, run, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { discoversAgain, replaceLink } from '../lab/steps/links.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const BSD = { extra: { capture: 'bsd' } } as const;

/** Why libpcap cannot be had; undefined: it can. */
function capMissing(): string | undefined {
  try {
    createRequire(join(REPOSITORY, 'packages/capture-bsd/package.json'))('cap');
    return undefined;
  } catch {
    return 'needs the optional package cap (libpcap-dev and g++ at install)';
  }
}

function bsdTest(
  name: string,
  spec: Parameters<typeof labTest>[1],
  body: (lab: Lab, t: TestContext) => Promise<void>,
): void {
  labTest(name, spec, async (lab, t) => {
    const missing = capMissing();
    if (missing === undefined) await body(lab, t);
    else t.skip(missing);
  });
}

/** The processes in the host's namespace that capture by libpcap, and the interface of each. */
async function readers(host: Host): Promise<readonly { readonly pid: number; readonly interface: string }[]> {
  const { stdout } = await run(undefined, ['ip', 'netns', 'pids', host.namespace]);
  return stdout.split('\n').flatMap((line) => {
    try {
      const words = readFileSync(`/proc/${Number(line)}/cmdline`, 'utf8').split('\0');
      const at = words.findIndex((word) => word.endsWith('/cap-child.js'));
      return at < 0 ? [] : [{ pid: Number(line), interface: words[at + 1] ?? '' }];
    } catch {
      return [];
    }
  });
}

bsdTest(
  'F10 a port-restricted pair, one behind two NATs, connects with capture-bsd on both, and interfaces that go and come back do no harm',
  { sides: { a: { nats: ['port-restricted', 'port-restricted'] }, b: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemonA, daemonB] = await startAll([a, b], { ...BSD, refreshInterval: '2s' });
    assert.ok(daemonA && daemonB);
    await expectTunnel(a, b);
    const reflexive = (await daemonA.device()).reflexive.ipv4;
    assert.equal(reflexive?.split(':')[0], a.publicAddress);

    await must(b.namespace, ['ip', 'link', 'set', 'eth0', 'down']);
    await must(b.namespace, ['ip', 'link', 'set', 'eth0', 'up']);
    await must(b.namespace, ['ip', 'route', 'add', 'default', 'via', b.plan.routers[0]?.lanAddress ?? '']);
    assert.notEqual(await b.firstPing(a, { deadlineMs: 20_000 }), undefined, 'a ping after down and up');
    await discoversAgain(daemonB);

    await replaceLink(b);
    assert.notEqual(await b.firstPing(a, { deadlineMs: 20_000 }), undefined, 'a ping after the link was made again');
    await discoversAgain(daemonB);
    assert.ok(daemonA.process.running && daemonB.process.running);
  },
);

bsdTest(
  'F10 a reader that dies is replaced while the discovery runs, none is left when it has ended, and none outlives its daemon',
  { sides: { a: {} }, coturn: [1, 2] },
  async (lab) => {
    const a = lab.host('a');
    const daemon = await a.startDaemon({ ...BSD, refreshInterval: '1s' });
    await discoversAgain(daemon);
    await a.blockUdp(3478);
    const find = () => readers(a);
    const first = await until(async () => (await find())[0], { what: 'a reader' });
    assert.equal(first.interface, 'eth0', 'not the tunnel, not loopback');
    process.kill(first.pid, 'SIGKILL');
    const second = await until(async () => (await find()).find(({ pid }) => pid !== first.pid), {
      what: 'another reader',
    });
    // Its interface goes down while it captures, which ends it; and up, which brings another one.
    await must(a.namespace, ['ip', 'link', 'set', 'eth0', 'down']);
    await until(async () => !(await find()).some(({ pid }) => pid === second.pid), { what: 'the reader to be gone' });
    await must(a.namespace, ['ip', 'link', 'set', 'eth0', 'up']);
    await must(a.namespace, ['ip', 'route', 'add', 'default', 'via', a.plan.routers[0]?.lanAddress ?? '']);
    await until(async () => (await find()).length > 0, { what: 'a reader after down and up' });
    // Likewise deleted, and made again.
    await replaceLink(a);
    await a.unblockUdp(3478);
    await discoversAgain(daemon);
    assert.ok(daemon.process.running);
    await until(async () => (await find()).length === 0, { what: 'all readers to be gone' });

    await a.blockUdp(3478);
    await until(async () => (await find()).length > 0, { what: 'a reader' });
    await daemon.kill();
    await until(async () => (await find()).length === 0, { what: 'all readers to be gone' });
  },
);

bsdTest(
  "F39 a host whose own firewall rewrites WireGuard's port still learns its address, and its log says once how to keep the port",
  { sides: { a: {} }, coturn: [1, 2] },
  async (lab) => {
    const a = lab.host('a');
    // As pf does it on a firewall by default.
    const rule = `udp sport ${a.plan.listenPort} udp dport 3478 masquerade to :40000-40999`;
    await must(a.namespace, ['nft', '-f', '-'], {
      input: `table ip rewrite { chain out { type nat hook postrouting priority 100; ${rule}; }; }\n`,
    });
    const daemon = await a.startDaemon({ ...BSD, refreshInterval: '1s' });
    await discoversAgain(daemon);
    await discoversAgain(daemon);
    const [ip, port] = (await daemon.device()).reflexive.ipv4?.split(':') ?? [];
    assert.equal(ip, a.publicAddress);
    assert.ok(Number(port) >= 40_000 && Number(port) < 41_000, port);
    const lines = daemon
      .log()
      .split('\n')
      .filter((line) => line.includes('ERR_CAPTURE_REWRITTEN'));
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /pf on this host rewrites the port.* port 51820 .*static-port/);
  },
);
