/** Whoever has no key of the pair gets no answer to a check, and who repeats what was said gets one at most. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Host, type Lab, REPOSITORY, until, WIREGUARD_PORT } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { directionOf, forged, isAnswer, request } from './steps/hand-made-checks.js';

const FORGED = 10_000;
const REPLAYS = 1_000;

/** Sends datagrams to a host's WireGuard port, and hands back the answers, once the last one had time to be answered. */
async function storm(lab: Lab, from: Host, to: Host, datagrams: readonly Buffer[], perSecond: number) {
  const { hostAddress } = from.plan;
  const fixture = join(REPOSITORY, 'test/fixtures/e2e/datagram-storm.mjs');
  const argv = [process.execPath, fixture, hostAddress, to.plan.hostAddress, String(WIREGUARD_PORT), String(perSecond)];
  await using process_ = lab.spawn(from.namespace, argv);
  await until(() => process_.stdout.includes('ready'), { what: 'the storm' });
  process_.write(`${datagrams.map((datagram) => datagram.toString('hex')).join('\n')}\nend\n`);
  await until(() => process_.stdout.includes('sent'), { what: 'all to be sent' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  // It asks back where a valid request came from.
  return [...process_.stdout.matchAll(/^got (0101\w+)$/gm)].map(([, hex = '']) => Buffer.from(hex, 'hex'));
}

labTest(
  'F44 10,000 forged checks and those of the wrong direction get no answer, 1,000 replays of a valid one get one at most',
  {
    sides: { a: { nats: ['none'] }, b: {}, c: { nats: ['none'], wireguard: false } },
    coturn: [1, 2],
  },
  async (lab) => {
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    const daemon = await a.startDaemon();
    await daemon.waitFor(({ devices: [device] }) => device?.reflexive.ipv4, { what: 'its address' });
    const towards = directionOf(b.keys, a.keys.publicKey, b.keys.publicKey, a.keys.publicKey);
    const back = directionOf(b.keys, a.keys.publicKey, a.keys.publicKey, b.keys.publicKey);

    // A valid one is answered once the device was read: its peers' keys are known then.
    const answers: Buffer[] = [];
    let asked = request(towards);
    await until(async () => {
      asked = request(towards);
      answers.push(...(await storm(lab, c, a, [asked], 100)));
      return answers.length > 0;
    });
    assert.ok(isAnswer(back, asked, answers[0] ?? Buffer.alloc(0)), `an answer: ${answers[0]?.toString('hex')}`);

    const forgeries = Array.from({ length: FORGED }, (_, i) => forged(towards, i % 2 === 0 ? 'right' : 'any'));
    assert.equal((await storm(lab, c, a, forgeries, 5_000)).length, 0, 'answers to forged ones');
    const wrong = Array.from({ length: 20 }, () => request(back));
    assert.equal((await storm(lab, c, a, wrong, 100)).length, 0, 'answers to the wrong direction');
    const replayed = new Array<Buffer>(REPLAYS).fill(request(towards));
    assert.equal((await storm(lab, c, a, replayed, 2_000)).length, 1, 'answers to replays');

    // All that did not cost it its ears.
    const later = request(towards);
    const [heard] = await storm(lab, c, a, [later], 100);
    assert.ok(heard && isAnswer(back, later, heard));
    assert.ok((await daemon.status()).devices[0]);
  },
);
