/** STUN that is meant to mislead: a server whose believable lie comes first, and floods of forged answers. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { doctorConfig, examine } from '../doctor/steps/doctoring.js';
import { BLACKHOLE_ADDRESS, type Daemon, type Host, type Lab, REPOSITORY, sleep, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { lie } from './steps/lie.js';

const HONEST = '203.0.113.1:3478';
const OTHER_HONEST = '203.0.113.2:3478';
/** What the liar names. */
const LIE = '192.0.2.66';
const FLOOD_PER_SECOND = 10_000;
const WATCHED_MS = 2_000;
/** A daemon without a flood wakes some dozen times; each forged answer that gets through wakes its reader. */
const MOST_WAKE_UPS = 2_000;

/** Floods a host's port from another address than the server's; ready when the flood is under way. */
async function flood(lab: Lab, host: Host, perSecond: number): Promise<void> {
  const script = join(REPOSITORY, 'test/fixtures/e2e/forged-answers.mjs');
  const target = [host.plan.hostAddress, '51820', String(perSecond)];
  const process_ = lab.spawn(lab.publicNamespace, [process.execPath, script, '203.0.113.3', ...target]);
  const counts: number[] = [];
  process_.onLine((line) => counts.push(Number(line)));
  await until(() => (counts.at(-1) ?? 0) > perSecond / 2, { what: 'the flood' });
}

/** How often the threads of a process have gone to sleep so far: each packet that reaches one wakes it. */
async function wakeUps(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const counts = threads.map(async (thread) => {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8').catch(() => '');
    return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

labTest(
  'F82 the quicker STUN server lies, two others do not: who disagrees is said, the true address published, the pair connects',
  { sides: { a: {}, b: {} } },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const honest = await lab.startCoturn([1, 2]);
    const liar = await lie(lab, 'elsewhere', 4000);
    const stun = [HONEST, liar, OTHER_HONEST];
    // What arrives meanwhile they answer later.
    honest.signal('SIGSTOP');
    const daemons = await startAll([a, b], { stun });
    const reflexive = (daemon: Daemon, host: string) =>
      daemon.waitFor(({ devices }) => devices[0]?.reflexive.ipv4?.startsWith(`${host}:`), { what: `${host} as ours` });
    await Promise.all(daemons.map((daemon) => reflexive(daemon, LIE)));
    honest.signal('SIGCONT');
    for (const [i, host] of [a, b].entries()) {
      const daemon = daemons[i] ?? assert.fail('no daemon');
      await reflexive(daemon, host.publicAddress);
      const [device] = (await daemon.status()).devices;
      const told = device?.errors?.find(({ code }) => code === 'ERR_STUN_DISAGREE')?.message ?? '';
      assert.match(told, new RegExp(`${liar} sees ${LIE}; most of them agree`));
      assert.ok(daemon.log().includes('a STUN server lies, or is mistaken'), daemon.log());
    }
    await expectTunnel(a, b);
    const endpoint = (await daemons[1]?.status())?.devices[0]?.peers[0]?.endpoint;
    assert.ok(endpoint?.startsWith(`${a.publicAddress}:`), endpoint);
    const { findings } = await examine(a, await doctorConfig(lab, a, { stun }));
    const blamed = findings.filter(({ code }) => code === 'ERR_STUN_DISAGREE');
    assert.ok(blamed.length > 0 && blamed.every(({ text }) => text.includes(liar)), JSON.stringify(findings));
  },
);

labTest(
  'F3 ten thousand forged answers a second at the port do not reach the daemon, and keep no discovery from ending',
  { sides: { a: { nats: ['none'] }, b: {} }, coturn: [1] },
  async (lab) => {
    const a = lab.host('a');
    await flood(lab, a, FLOOD_PER_SECOND);
    {
      // Nobody answers, so the socket is open for as long as this looks.
      await using daemon = await a.startDaemon({ stun: [`${BLACKHOLE_ADDRESS}:3478`] });
      await daemon.waitFor(() => true, { what: 'the daemon' });
      const before = await wakeUps(daemon.pid);
      await sleep(WATCHED_MS);
      const woken = (await wakeUps(daemon.pid)) - before;
      assert.ok(woken < MOST_WAKE_UPS, `woken ${woken} times in ${WATCHED_MS} ms`);
    }
    for (let round = 0; round < 3; round += 1) {
      await using daemon = await a.startDaemon({ stun: [HONEST] });
      await daemon.waitFor(() => true, { what: 'the daemon' });
      const what = 'the reflexive address';
      const found = await daemon.waitFor(({ devices }) => devices[0]?.reflexive.ipv4, { what, deadlineMs: 3_000 });
      assert.equal(found, `${a.plan.hostAddress}:51820`);
    }
  },
);
