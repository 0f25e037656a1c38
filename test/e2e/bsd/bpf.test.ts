/** capture-bsd as on FreeBSD and as on macOS, by /dev/bpf: its C library is emulated (native/test/bsd.c), all above it is what runs there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, must, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { discoversAgain, replaceLink } from '../lab/steps/links.js';
import { expectTunnel } from '../lab/steps/pair.js';

const moduleFor = (system: 'freebsd' | 'macos') =>
  join(REPOSITORY, `packages/capture-bsd/dist-test/addon-capture-${system}.js`);

/** Nothing is open but for discoveries, once the pair is connected. */
const OPTIONS = { refreshInterval: '2s', device: { check_listen: 'unsettled' } } as const;

/** How many packet sockets there are in the daemon's namespace: one for each open /dev/bpf. */
function openDevices(daemon: Daemon): number {
  return readFileSync(`/proc/${daemon.process.pid}/net/packet`, 'utf8').trim().split('\n').length - 1;
}

labTest(
  'F10 a pair, one as on FreeBSD and one as on macOS, connects, and interfaces that go down or are destroyed and made again while it captures do no harm',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    if (!existsSync(moduleFor('macos'))) return t.skip('needs the compiled tests of capture-bsd');
    const [a, b] = [lab.host('a'), lab.host('b')];
    const daemonA = await a.startDaemon({ extra: { capture: moduleFor('macos') }, ...OPTIONS });
    const daemonB = await b.startDaemon({ extra: { capture: moduleFor('freebsd') }, ...OPTIONS });
    await expectTunnel(a, b);
    assert.equal((await daemonA.device()).reflexive.ipv4?.split(':')[0], a.publicAddress);

    await must(b.namespace, ['ip', 'link', 'set', 'eth0', 'down']);
    await must(b.namespace, ['ip', 'link', 'set', 'eth0', 'up']);
    await must(b.namespace, ['ip', 'route', 'add', 'default', 'via', b.plan.routers[0]?.lanAddress ?? '']);
    assert.notEqual(await b.firstPing(a, { deadlineMs: 20_000 }), undefined, 'a ping after down and up');
    await discoversAgain(daemonB);

    // No answers: the discovery holds its device open while the interface goes.
    await b.blockUdp(3478);
    await until(async () => openDevices(daemonB) > 0, { what: 'an open device' });
    await replaceLink(b);
    await b.unblockUdp(3478);
    assert.notEqual(await b.firstPing(a, { deadlineMs: 20_000 }), undefined, 'a ping after the link was made again');
    await discoversAgain(daemonB);
    await until(async () => openDevices(daemonB) === 0, { what: 'all devices to be closed' });
    assert.ok(daemonA.process.running && daemonB.process.running);
  },
);
