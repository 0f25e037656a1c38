/** What doctor says of a router that maps ports, and that it leaves none mapped. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { judgeOwn } from '#src/doctor/verdicts/own.js';
import type { NatBehaviour } from '#src/nat/behaviour-types.js';
import { parseEndpoint } from '#src/net/index.js';
import type { ParsedRecord } from '#src/record/endpoint-record.js';
import type { PathCode } from '#src/record/path-code.js';
import { createMemoryLogger } from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { createFakeRouter, type FakeRouter } from '../portmap/fake-router.js';
import { createHarness, snapshotOf } from './harness.js';

async function examine(t: TestContext, options: { readonly wanted?: string; change?(fake: FakeRouter): void } = {}) {
  const harness = createHarness(t);
  const fake = createFakeRouter(harness.clock, ['pcp', 'upnp']);
  options.change?.(fake);
  if (options.wanted)
    harness.config = harness.config.replace(
      'protocol: ipv4\n',
      `protocol: ipv4\n    port_mapping: ${options.wanted}\n`,
    );
  harness.parts.underlay = async (device) => {
    const { capture, clock } = harness;
    const underlay = createUnderlays({ clock, logger: createMemoryLogger(), capture })(device);
    return {
      ...underlay,
      opensSockets: true,
      openDatagramSocket: fake.openDatagramSocket,
      connectTcp: fake.connectTcp,
      routeTo: async (to) => ({
        interface: 'eth0',
        source: '192.168.1.2',
        ...(to === fake.address ? {} : { gateway: fake.address }),
      }),
    };
  };
  const findings = (await harness.examine()).filter(({ check }) => check === 'portmap');
  assert.equal(fake.entries.size, 0, 'something stayed mapped');
  return { harness, fake, findings };
}

test('a router that maps ports, which nobody asks: what it would do, and how', async (t) => {
  const { findings, fake } = await examine(t);
  assert.deepEqual(
    findings.map(({ verdict }) => verdict),
    ['note'],
  );
  assert.match(findings[0]?.text ?? '', /maps ports by PCP: `port_mapping: auto` would make this NAT let everybody in/);
  assert.match(findings[0]?.remedy ?? '', /interfaces\.wg0/);
  // One that is granted, and one that is given back.
  assert.deepEqual(
    fake.arrived.map(({ what }) => what),
    ['pcp map', 'pcp map'],
  );
});

test('where it is wanted: well, or why not, with the remedy of the code', async (t) => {
  assert.deepEqual(
    (await examine(t, { wanted: '[upnp]' })).findings.map(({ verdict }) => verdict),
    ['ok'],
  );
  const { findings } = await examine(t, {
    wanted: 'auto',
    change(fake) {
      fake.external = '100.64.1.1';
    },
  });
  assert.deepEqual(
    findings.map(({ verdict, code }) => [verdict, code]),
    [['warning', 'ERR_PORTMAP_DOUBLE_NAT']],
  );
  assert.match(findings[0]?.remedy ?? '', /bridge/);
});

test('a router without such a thing is worth a word only where it is wanted', async (t) => {
  const change = (fake: FakeRouter): void => {
    fake.speaks = new Set();
  };
  assert.deepEqual((await examine(t, { change })).findings, []);
  const { findings } = await examine(t, { change, wanted: 'auto' });
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['ERR_PORTMAP_NONE'],
  );
});

test('what a daemon has is told, and not asked for again', async (t) => {
  const harness = createHarness(t);
  const mapping = { family: 'ipv4', protocol: 'pcp', gateway: '192.168.1.1', endpoint: '203.0.113.9:30000' } as const;
  const snapshot = snapshotOf(harness, 812);
  const devices = snapshot.devices.map((device) => ({
    ...device,
    portMapping: { state: 'mapped', mappings: [mapping] } as const,
  }));
  harness.daemons.set('/run/stunmesh/wg0.sock', { ...snapshot, devices });
  const findings = (await harness.examine()).filter(({ check }) => check === 'portmap');
  assert.deepEqual(
    findings.map(({ verdict }) => verdict),
    ['ok'],
  );
  assert.match(findings[0]?.text ?? '', /203\.0\.113\.9:30000/);
});

test('F50 a record of ours that names the mapped port, which STUN does not see, is right', () => {
  const parse = (text: string) => parseEndpoint(text) ?? assert.fail(text);
  const nat = {
    family: 4,
    mapping: 'endpoint-independent',
    mapped: parse('203.0.113.9:40000'),
  } as unknown as NatBehaviour;
  const judge = (mappedPort: number | undefined) => {
    const c = { candidates: mappedPort === undefined ? {} : { mappedPort } } as unknown as PathCode;
    const record = { ipv4: parse('203.0.113.9:30000'), c, refused: [] } as unknown as ParsedRecord;
    const records = { theirs: [], ours: [{ store: 'main', record }] };
    return judgeOwn(records, { daemonRuns: true, connected: false, listenPort: 51_820, nats: [nat] });
  };
  assert.equal(judge(30_000), undefined);
  assert.match(judge(undefined)?.text ?? '', /203\.0\.113\.9:40000/);
});
