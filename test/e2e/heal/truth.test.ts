/** What is said to be well is well: one-way loss, a device that is down, and a start on a tunnel that is cut (F72). */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { type Host, type LabSpec, must, sleep, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { pinging } from './steps/healing.js';

const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };

/** What a host sends to another by UDP is lost, what it gets from there arrives. */
async function loseTowards(host: Host, other: Host): Promise<void> {
  const match = `oifname "eth0" ip daddr ${other.publicAddress} meta l4proto udp`;
  const input = `table inet lost {\nchain lost { type filter hook output priority -10; policy accept;\n${match} drop\n}\n}\n`;
  await must(host.namespace, ['nft', '-f', '-'], { input, timeoutMs: 60_000 });
}

describe('the truth', { concurrency: 3 }, () => {
  labTest('F72 one-way loss is said, and is no connection', PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon, other] = await startAll([a, b], pinging([a, b], '1s'));
    assert.ok(daemon && other);
    await expectTunnel(a, b);
    await loseTowards(a, b);
    const peer = async () => (await daemon.device()).peers.find(({ name }) => name === 'b');
    await until(async () => (await peer())?.phase !== 'connected', { deadlineMs: 15_000, what: 'b not connected' });
    await until(async () => (await peer())?.lastError?.code === 'ERR_TUNNEL_ONE_WAY', {
      deadlineMs: 20_000,
      what: 'one way only to be said',
    });
    assert.notEqual((await peer())?.phase, 'connected');
    // Nothing arrives at the other end, so nothing of the kind is said there.
    await sleep(5_000);
    const atOther = (await other.device()).peers.find(({ name }) => name === 'a');
    assert.notEqual(atOther?.phase, 'connected');
    assert.notEqual(atOther?.lastError?.code, 'ERR_TUNNEL_ONE_WAY');
    await must(a.namespace, ['nft', 'delete', 'table', 'inet', 'lost']);
    await expectTunnel(a, b);
  });

  labTest('F26 a device that is down is not published, and is taken up at once when it is up', PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b]);
    assert.ok(daemon);
    await expectTunnel(a, b);
    await must(a.namespace, ['ip', 'link', 'set', a.device, 'down']);
    await until(async () => (await daemon.device()).state === 'down', { deadlineMs: 15_000, what: 'the device down' });
    const discoveries = (await daemon.device()).discoveries;
    await sleep(3_000);
    assert.equal((await daemon.device()).discoveries, discoveries);
    await must(a.namespace, ['ip', 'link', 'set', a.device, 'up']);
    await until(async () => (await daemon.device()).state === 'up', { deadlineMs: 5_000, what: 'the device up' });
    await expectTunnel(a, b);
  });

  labTest('F72 oneshot on a tunnel whose peer was cut off a moment ago does not end well', PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [first] = await startAll([a, b]);
    assert.ok(first);
    await expectTunnel(a, b);
    await first.stop();
    await b.blockUdp(b.plan.listenPort);
    const again = await a.startDaemon({ args: ['--oneshot', '--timeout', '8s'] });
    assert.equal((await again.process.exited).code, 1);
    assert.doesNotMatch(again.process.stdout, /b: connected/);
  });
});
