/** Doctor over doubles: a good host is well, and each thing that is wrong is named once, graded, with a remedy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitStatus, type Finding } from '#src/doctor/finding.js';
import { createPatient, inOrder, MAPPED, snapshotOf, trouble } from './harness.js';

test('F16 a good host is well; nothing is written to WireGuard, and one key of its own to the store', async (t) => {
  const patient = createPatient(t);
  const before = new Map(patient.store.records);
  const findings = await patient.examine();
  assert.deepEqual(trouble(findings), []);
  assert.equal(exitStatus(findings), 0);
  assert.ok(inOrder(findings));
  assert.deepEqual(patient.wg.writes, []);
  assert.deepEqual(patient.store.records, before, 'its own key is deleted again');
  assert.equal(patient.capture.stunSockets.size, 0, 'sockets are closed');
  assert.equal(patient.openStores, 0, 'stores are closed');
  const [tunnel] = findings.filter(({ text }) => /^connected/.test(text));
  assert.match(tunnel?.text ?? '', /^connected at 203\.0\.113\.77:51820: the last handshake was 3\d s ago$/);
});

test('F34 neither keys nor sealed records reach the findings', async (t) => {
  const patient = createPatient(t);
  const text = JSON.stringify(await patient.examine());
  const secrets = [Buffer.from(patient.own.secretKey.expose()).toString('hex'), ...patient.store.records.values()];
  for (const secret of secrets) assert.ok(!text.includes(secret));
  assert.ok(!text.includes(Buffer.from(patient.own.secretKey.expose()).toString('base64')));
});

test('without the right to write, stores are read only', async (t) => {
  const patient = createPatient(t);
  patient.parts.storeWrite = false;
  let writes = 0;
  const { set } = patient.store;
  patient.store.set = (...call) => {
    writes += 1;
    return set(...call);
  };
  const findings = await patient.examine();
  assert.equal(writes, 0);
  assert.match(find(findings, 'store')?.text ?? '', /writing was not tried/);
});

const find = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

test('what a check cannot bear is a finding of its own, and the others go on', async (t) => {
  const patient = createPatient(t);
  patient.system.capabilities = () => Promise.reject(new TypeError('no such thing'));
  const findings = await patient.examine();
  assert.deepEqual(trouble(findings), ['privileges fault no such thing']);
  assert.equal(find(findings, 'privileges')?.code, 'ERR_INTERNAL');
  assert.ok(findings.some(({ text }) => text.includes(MAPPED)));
});

test('F38 one daemon that is reached by two names of its folder is one', async (t) => {
  const patient = createPatient(t);
  patient.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(patient, 11));
  patient.daemons.set('/var/run/stunmesh/wg0.sock', snapshotOf(patient, 11));
  const findings = await patient.examine();
  assert.deepEqual(trouble(findings), []);
  assert.match(find(findings, 'daemon')?.text ?? '', /runs as process 11/);
});
