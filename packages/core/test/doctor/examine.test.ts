/** Doctor over doubles: a good host is well, and each thing that is wrong is named once, graded, with a remedy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { exitStatus, type Finding } from '#src/doctor/finding.js';
import { createHarness, inOrder, MAPPED, snapshotOf, trouble } from './harness.js';

test('F16 a good host is well; nothing is written to WireGuard, and one key of its own to the store', async (t) => {
  const harness = createHarness(t);
  const before = new Map(harness.store.records);
  const findings = await harness.examine();
  assert.deepEqual(trouble(findings), []);
  assert.equal(exitStatus(findings), 0);
  assert.ok(inOrder(findings));
  assert.deepEqual(harness.wg.writes, []);
  assert.deepEqual(harness.store.records, before, 'its own key is deleted again');
  assert.equal(harness.capture.stunSockets.size, 0, 'sockets are closed');
  assert.equal(harness.openStores, 0, 'stores are closed');
  const [tunnel] = findings.filter(({ text }) => /^connected/.test(text));
  assert.match(tunnel?.text ?? '', /^connected at 203\.0\.113\.77:51820: the last handshake was 3\d s ago$/);
});

test('F39 no wg in PATH is no fault where the capture module speaks to the kernel itself, unless it cannot', async (t) => {
  const harness = createHarness(t);
  harness.system.program = async () => undefined;
  const read = async () => assert.fail('nothing is read or written here');
  let list = async (): Promise<string[]> => ['wg0'];
  const wireguard = { way: 'netlink', list: () => list(), read, write: read };
  harness.parts.capture = async () => ({ ...harness.capture, wireguard });
  assert.deepEqual(trouble(await harness.examine()), []);
  list = async () => {
    throw new StunmeshError('ERR_CAPTURE_OPEN', 'denied');
  };
  const found = (await harness.examine()).find(({ code }) => code === 'ERR_WG_NOT_FOUND');
  assert.equal(found?.verdict, 'fault');
});

test('F34 neither keys nor sealed records reach the findings', async (t) => {
  const harness = createHarness(t);
  const text = JSON.stringify(await harness.examine());
  const secrets = [Buffer.from(harness.own.secretKey.expose()).toString('hex'), ...harness.store.records.values()];
  for (const secret of secrets) assert.ok(!text.includes(secret));
  assert.ok(!text.includes(Buffer.from(harness.own.secretKey.expose()).toString('base64')));
});

test('without the right to write, stores are read only', async (t) => {
  const harness = createHarness(t);
  harness.parts.storeWrite = false;
  let writes = 0;
  const { set } = harness.store;
  harness.store.set = (...call) => {
    writes += 1;
    return set(...call);
  };
  const findings = await harness.examine();
  assert.equal(writes, 0);
  assert.match(find(findings, 'store')?.text ?? '', /writing was not tried/);
});

const find = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

test('what a check cannot bear is a finding of its own, and the others go on', async (t) => {
  const harness = createHarness(t);
  harness.system.capabilities = () => Promise.reject(new TypeError('no such thing'));
  const findings = await harness.examine();
  assert.deepEqual(trouble(findings), ['privileges fault no such thing']);
  assert.equal(find(findings, 'privileges')?.code, 'ERR_INTERNAL');
  assert.ok(findings.some(({ text }) => text.includes(MAPPED)));
});

test('F38 one daemon that is reached by two names of its folder is one', async (t) => {
  const harness = createHarness(t);
  harness.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(harness, 11));
  harness.daemons.set('/var/run/stunmesh/wg0.sock', snapshotOf(harness, 11));
  const findings = await harness.examine();
  assert.deepEqual(trouble(findings), []);
  assert.match(find(findings, 'daemon')?.text ?? '', /runs as process 11/);
});
