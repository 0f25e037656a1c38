/** Whom no search is for: not one packet of it to a peer that is connected, switched off, hopeless, or only known by an old record. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, type Lab, type PacketCount, REPOSITORY, sleep } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { type Code, codeOf, Folder, seal } from '../lab/steps/records.js';
import { type HardPair, searched, slotOf, startBoth, startSide } from './steps/hard-pair.js';

const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const KEEPALIVE = { wireguard: { keepaliveSeconds: 5 } } as const;
const SYMMETRIC = { nats: ['symmetric'], ...KEEPALIVE } as const;
const STEADY = { nats: ['port-restricted'], ...KEEPALIVE } as const;
/** By their numbers in a record's member `c`. */
const RANDOM: Omit<Code, 'sender' | 't'> = { mapping4: 4, filtering4: 3, allocation: 1 };
const PORT = 40_000;
const OLD_SECONDS = 660;
/** Probes begin three seconds after the slot; the second half of this shows that they have ended. */
const SERIES_MS = 14_000;

interface Config extends Record<string, unknown> {
  readonly interfaces: Readonly<Record<string, { hard_nat?: string }>>;
}

/** H has a symmetric NAT that chooses at random, says its record for E; nothing runs there. */
async function publish(lab: Lab, { h, e }: HardPair, ageSeconds: number): Promise<void> {
  const t = Math.floor(Date.now() / 1_000) - ageSeconds;
  const c = codeOf({ sender: h.keys.publicKey, t, ...RANDOM });
  const record = JSON.stringify({ ipv4: `${h.publicAddress}:${PORT}`, c });
  await new Folder(lab.storeDir).put(h.keys.publicKey, e.keys.publicKey, seal(record, h.keys, e.keys.publicKey));
}

/** What E sends to H's router, but to the port that H's record names. */
function probes(lab: Lab, { h, e }: HardPair): Promise<PacketCount> {
  const filter = `udp and dst host ${h.publicAddress} and not dst port ${PORT}`;
  return lab.countPackets(e.namespace, 'eth0', filter);
}

/** What H sends towards E from other ports than WireGuard's. */
function openers(lab: Lab, h: Host, e: Host): Promise<PacketCount> {
  return lab.countPackets(h.namespace, 'eth0', `udp and dst host ${e.publicAddress} and not src port 51820`);
}

/** Of a command, in one line: it wraps them to the width of the terminal. */
async function words(lab: Lab, host: Host, ...args: readonly string[]): Promise<string> {
  const argv = [process.execPath, MAIN, ...args];
  const { stdout, stderr } = await host.exec(argv, { timeoutMs: 60_000, cwd: lab.dir });
  return (stdout + stderr).replaceAll(/\s+/g, ' ');
}

labTest(
  'F62 no packet of a search for who is connected, switched off, hopeless or long silent; and none more after a reload says off',
  {
    sides: {
      hold: SYMMETRIC,
      eold: STEADY,
      hoff: SYMMETRIC,
      eoff: STEADY,
      hwell: SYMMETRIC,
      ewell: { nats: ['full'], ...KEEPALIVE },
      none1: SYMMETRIC,
      none2: SYMMETRIC,
      hend: SYMMETRIC,
      eend: STEADY,
    },
    coturn: [1, 2, 3, 4],
    slotInSeconds: 50,
  },
  async (lab) => {
    const pair = (h: string, e: string): HardPair => ({ h: lab.host(h), e: lab.host(e) });
    const [old, off, well, none, end] = [
      pair('hold', 'eold'),
      pair('hoff', 'eoff'),
      pair('hwell', 'ewell'),
      pair('none1', 'none2'),
      pair('hend', 'eend'),
    ];
    const quiet = [
      await probes(lab, old),
      await probes(lab, off),
      await openers(lab, well.h, well.e),
      await openers(lab, none.h, none.e),
      await openers(lab, none.e, none.h),
    ];
    await using ended = await probes(lab, end);
    const slots = [old, off, well, none, end].map((one) => slotOf(one, 300));
    await Promise.all([publish(lab, old, OLD_SECONDS), publish(lab, off, 0), publish(lab, end, 0)]);
    await Promise.all([
      startSide(old.e, old.h, 'full'),
      startSide(off.e, off.h, 'off'),
      startBoth(well, 'full'),
      startBoth(none, 'full'),
      startSide(end.e, end.h, 'full'),
    ]);
    assert.ok((await well.h.firstPing(well.e, { deadlineMs: 30_000 })) !== undefined, 'connected without a search');

    // One is searched, for some seconds; then its configuration says off.
    const endAt = slotOf(end, 300);
    await sleep(endAt + 5_000 - Date.now());
    const daemon = end.e.daemons[0] ?? assert.fail('no daemon');
    assert.ok(ended.lines().length > 0, `it is searched: ${JSON.stringify((await daemon.status()).devices)}`);
    const config = JSON.parse(await readFile(daemon.configFile, 'utf8')) as Config;
    for (const device of Object.values(config.interfaces)) device.hard_nat = 'off';
    await daemon.reload(config);
    await daemon.waitFor((snapshot) => /switched off/.test(JSON.stringify(snapshot.devices[0]?.peers[0])), {
      what: 'the search to be switched off',
    });
    const sent = ended.lines().length;

    await sleep(Math.max(...slots, endAt) + SERIES_MS - Date.now());
    assert.equal(ended.lines().length, sent, 'none more after the reload');
    assert.deepEqual(
      quiet.map((count) => count.lines()),
      quiet.map(() => []),
    );
    for (const host of [old.e, off.e, well.h, well.e, none.h, none.e]) assert.equal(await searched(host), 0, host.name);

    const hopeless = /tens of thousands of mappings; a forwarded port, port mapping or IPv6/;
    assert.match(await words(lab, none.h, 'status', '--run-dir', none.h.runDir), hopeless);
    assert.match(await words(lab, none.h, 'doctor', '-c', none.h.daemons[0]?.configFile ?? ''), hopeless);
    assert.match(await words(lab, old.e, 'status', '--run-dir', old.e.runDir), /older than ten minutes/);
  },
  120_000,
);
