/** A former endpoint is kept from spoiling the peer's router: parked until a path is valid, and put back at the end. */
import assert from 'node:assert/strict';
import { type Daemon, type Host, type Lab, type LabSpec, sleep, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { endpointAt } from './steps/meeting.js';

const PARKED = '127.0.0.1:9';
const SPEC: LabSpec = { sides: { a: { nats: ['accept'] }, b: { nats: ['accept'] } }, coturn: [1, 2], routed: true };

interface Left {
  readonly a: Host;
  readonly b: Host;
  /** What stands on `a` for `b`. */
  readonly former: string;
}

/** The peer's record is in the store, the peer is gone, and its former endpoint stands on a device that begins anew. */
async function leaveBehind(lab: Lab): Promise<Left> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemons = await startAll([a, b]);
  await expectTunnel(a, b);
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  await Promise.all([a.deleteDevice(), b.deleteDevice()]);
  await a.createDevice();
  const former = `${b.publicAddress}:51820`;
  await a.setEndpoint(b, former);
  return { a, b, former };
}

async function parks({ a, b }: Left): Promise<Daemon> {
  const daemon = await a.startDaemon();
  await until(async () => (await endpointAt(a, b)) === PARKED, { what: 'the endpoint to be parked' });
  return daemon;
}

labTest(
  "F43 a former endpoint is parked from the start, WireGuard's packets stay here, and it is put back at the end",
  SPEC,
  async (lab) => {
    const left = await leaveBehind(lab);
    const { a, b, former } = left;
    const daemon = await parks(left);
    await using initiations = await lab.countPackets(b.plan.routers[0]?.namespace ?? '', 'wan', 'udp[4:2] = 156');
    // What waits in the tunnel has WireGuard begin a handshake.
    assert.equal(await a.firstPing(b, { deadlineMs: 3_000 }), undefined);
    assert.deepEqual(initiations.lines(), []);
    assert.equal(await daemon.stop(), 0);
    assert.equal(await endpointAt(a, b), former);
  },
);

labTest(
  'F43 a daemon that is killed while an endpoint is parked leaves it so; the next one puts it back at its end',
  SPEC,
  async (lab) => {
    const left = await leaveBehind(lab);
    const { a, b, former } = left;
    await (await parks(left)).kill();
    assert.equal(await endpointAt(a, b), PARKED);
    const next = await parks(left);
    // What it found parked says nothing of the program, which may still be loading.
    await next.waitForPhase('b', ['connecting'], { deadlineMs: 20_000 });
    await sleep(1_000);
    assert.equal(await next.stop(), 0);
    assert.equal(await endpointAt(a, b), former);
  },
);
