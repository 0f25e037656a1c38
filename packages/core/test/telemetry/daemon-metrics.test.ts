/** The text of a scrape: names, units, labels, and what leaves no series behind. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createDaemonMetrics } from '#src/telemetry/daemon-metrics.js';
import type { Readings } from '#src/telemetry/readings.js';
import { createStunServerMetrics } from '#src/telemetry/stun-server-metrics.js';
import { deviceReading, peerReading, readings, WALL } from './readings.js';

const docs = (name: string) => readFile(fileURLToPath(new URL(`../../../../docs/${name}`, import.meta.url)), 'utf8');
const NO_COUNTERS = { answered: 0, refused: 0, ignored: 0, limited: 0, receivedBytes: 0, sentBytes: 0, sources: 0 };

function open(now: Partial<Readings> = {}) {
  let current = readings(now);
  const metrics = createDaemonMetrics(() => current, WALL - 3_600_000);
  /** Values by series, as "name{labels}". */
  const scrape = async (next?: Partial<Readings>): Promise<ReadonlyMap<string, string>> => {
    if (next) current = readings(next);
    const { body } = await metrics.page();
    assert.ok(typeof body === 'string');
    const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]));
  };
  return { metrics, scrape };
}

test('a peer: its phase, ages, round trip and counts, in seconds and bytes', async () => {
  const series = await open().scrape();
  const peer = '{device="wg0",peer="site-b"}';
  const wanted: Record<string, number> = {
    [`stunmesh_peer_present${peer}`]: 1,
    [`stunmesh_peer_phase_age_seconds${peer}`]: 90,
    [`stunmesh_peer_handshake_age_seconds${peer}`]: 30,
    [`stunmesh_peer_rtt_seconds${peer}`]: 0.0125,
    [`stunmesh_peer_record_age_seconds${peer}`]: 60,
    [`stunmesh_peer_published_age_seconds${peer}`]: 120,
    [`stunmesh_peer_receive_bytes_total${peer}`]: 1_000,
    [`stunmesh_peer_transmit_bytes_total${peer}`]: 2_000,
    [`stunmesh_peer_endpoint_writes_total${peer}`]: 3,
    [`stunmesh_peer_renewals_total${peer}`]: 1,
    [`stunmesh_peer_record_reads_total${peer}`]: 7,
    [`stunmesh_peer_probes_total${peer}`]: 2,
    'stunmesh_peer_phase{device="wg0",peer="site-b",phase="connected"}': 1,
    'stunmesh_peer_phase{device="wg0",peer="site-b",phase="suspect"}': 0,
    'stunmesh_device_up{device="wg0"}': 1,
    'stunmesh_device_reflexive_known{device="wg0",family="ipv4"}': 1,
    'stunmesh_device_discoveries_total{device="wg0"}': 4,
    'stunmesh_store_up{store="main"}': 1,
    'stunmesh_store_keys_read_total{store="main"}': 9,
    'stunmesh_store_keys_written_total{store="main"}': 5,
    'stunmesh_store_keys_failed_total{store="main"}': 1,
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(Number(series.get(name)), value, name);
});

test('mapped ports by protocol; no series where none is asked for', async () => {
  const { scrape } = open();
  assert.ok(![...(await scrape()).keys()].some((name) => name.startsWith('stunmesh_portmap')));
  const series = await scrape({ devices: [deviceReading({ portMapping: { mappings: [{ protocol: 'pcp' }] } })] });
  const of = (protocol: string) => series.get(`stunmesh_portmap_up{device="wg0",protocol="${protocol}"}`);
  assert.deepEqual([of('pcp'), of('nat-pmp'), of('upnp')], ['1', '0', '0']);
});

test('what is not known has no series: handshake, ping, record; a clock set back makes nothing younger than new', async () => {
  const bare = peerReading({ latestHandshakeAt: WALL + 60_000 });
  const { rttMs: _, record: __, published: ___, ...rest } = bare;
  const series = await open({ devices: [deviceReading({ peers: [rest] })] }).scrape();
  const text = [...series.keys()].join('\n');
  assert.doesNotMatch(text, /rtt_seconds\{device="wg0",peer|record_age|published_age|peer_fault/);
  assert.equal(series.get('stunmesh_peer_handshake_age_seconds{device="wg0",peer="site-b"}'), '0');
});

test('a peer, a device and a fault that are gone leave no series; counts are the present ones, not sums over scrapes', async () => {
  const lastError = { code: 'ERR_RECORD_UNOPENED', message: 'x' };
  const { scrape } = open({ devices: [deviceReading({ peers: [peerReading({ lastError })] })] });
  const first = await scrape();
  assert.equal(first.get('stunmesh_peer_fault{device="wg0",peer="site-b",code="ERR_RECORD_UNOPENED"}'), '1');
  const second = await scrape();
  assert.equal(second.get('stunmesh_peer_endpoint_writes_total{device="wg0",peer="site-b"}'), '3');
  const third = await scrape({ devices: [], configured: ['wg1'] });
  assert.doesNotMatch([...third.keys()].join('\n'), /site-b|device="wg0"/);
  assert.equal(third.get('stunmesh_device_up{device="wg1"}'), '0');
});

test('events, discoveries and store calls are counted and timed', async () => {
  const { metrics, scrape } = open();
  metrics.event({ event: 'phase', device: 'wg0', peer: 'site-b', to: 'connected', tookMs: 240 });
  metrics.event({ event: 'fault', device: 'wg0', code: 'ERR_STUN_NO_RESPONSE' });
  metrics.event({ event: 'network', device: 'wg0', why: 'x' });
  metrics.event({ event: 'refresh', device: 'wg0' });
  metrics.event({ event: 'path', device: 'wg0', peer: 'site-b', from: '203.0.113.7:1', endpoint: '192.168.1.7:1' });
  metrics.discovery('wg0', 4, { server: 'stun.test:3478', rttMs: 20 });
  metrics.discovery('wg0', 6, { code: 'ERR_STUN_NO_ROUTE' });
  metrics.storeCall('main', { operation: 'get', ms: 30 });
  metrics.storeCall('main', { operation: 'set', ms: 10_000, code: 'ERR_DEADLINE' });
  const series = await scrape();
  const wanted: Record<string, number> = {
    'stunmesh_peer_phase_changes_total{device="wg0",peer="site-b",phase="connected"}': 1,
    'stunmesh_peer_connect_duration_seconds_bucket{le="0.25",device="wg0"}': 1,
    'stunmesh_peer_connect_duration_seconds_bucket{le="0.1",device="wg0"}': 0,
    'stunmesh_faults_total{device="wg0",code="ERR_STUN_NO_RESPONSE"}': 1,
    'stunmesh_network_changes_total{device="wg0"}': 1,
    'stunmesh_path_switches_total{device="wg0",peer="site-b"}': 1,
    'stunmesh_stun_rtt_seconds_sum{device="wg0",family="ipv4",server="stun.test:3478"}': 0.02,
    'stunmesh_stun_failures_total{device="wg0",family="ipv6",code="ERR_STUN_NO_ROUTE"}': 1,
    'stunmesh_store_call_duration_seconds_count{store="main",operation="get"}': 1,
    'stunmesh_store_call_duration_seconds_bucket{le="10",store="main",operation="set"}': 1,
    'stunmesh_store_call_failures_total{store="main",operation="set",code="ERR_DEADLINE"}': 1,
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(Number(series.get(name)), value, name);
});

test('the path of a connected peer is a series by its kind, and checks are counted by direction and result', async () => {
  const checks = { sent: 9, valid: 4, received: 7, answered: 5, refused: 2, searched: 230 };
  const peers = [peerReading({ path: { class: 'lan' } })];
  const { scrape } = open({ devices: [deviceReading({ checks, peers })] });
  const series = await scrape();
  assert.equal(series.get('stunmesh_path{device="wg0",peer="site-b",class="lan"}'), '1');
  for (const [labels, value] of [
    ['direction="out",result="sent"', '9'],
    ['direction="out",result="answered"', '4'],
    ['direction="in",result="received"', '7'],
    ['direction="in",result="answered"', '5'],
    ['direction="in",result="refused"', '2'],
  ])
    assert.equal(series.get(`stunmesh_checks_total{device="wg0",${labels}}`), value, labels);
  assert.equal(series.get('stunmesh_search_probes_total{device="wg0"}'), '230');
  assert.doesNotMatch([...(await scrape({ devices: [deviceReading()] })).keys()].join('\n'), /stunmesh_path\{/);
});

test('labels are bounded: a code that a plugin made up counts as other, addresses and keys are in none', async () => {
  const { metrics, scrape } = open();
  for (let i = 0; i < 100; i += 1) {
    metrics.storeCall('main', { operation: 'get', ms: 1, code: `ERR_MADE_UP_${i}` });
    metrics.event({ event: 'fault', device: 'wg0', code: `ERR_MADE_UP_${i}` });
    metrics.event({ event: 'reflexive', device: 'wg0', family: 'ipv4', endpoint: `203.0.113.9:${i}` });
  }
  const series = await scrape();
  assert.equal(series.get('stunmesh_store_call_failures_total{store="main",operation="get",code="other"}'), '100');
  assert.equal(series.get('stunmesh_faults_total{device="wg0",code="other"}'), '100');
  assert.doesNotMatch([...series.keys()].join('\n'), /MADE_UP|203\.0\.113/);
});

async function allMetrics() {
  const daemon = await open().metrics.registry.getMetricsAsJSON();
  const server = await createStunServerMetrics(() => NO_COUNTERS, 0).registry.getMetricsAsJSON();
  return [...daemon, ...server];
}

test('names follow the conventions: prefix, base units, _total for counters alone', async () => {
  for (const { name, type, help } of await allMetrics()) {
    assert.match(name, /^(stunmesh|process)_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), String(type) === 'counter', name);
    assert.doesNotMatch(name, /_ms|_millis|minutes|kilobytes/);
    if (String(type) === 'histogram') assert.match(name, /_seconds$/);
    assert.match(help, /[.]$/, name);
  }
});

test('docs/metrics.md has every metric with its type and meaning, and no other', async () => {
  const rows = [
    ...(await docs('metrics.md')).matchAll(/^\| `((?:stunmesh|process)_\w+)` +\| (\w+) +\| [^|]* \| (.*?) +\|$/gm),
  ];
  const told = new Map(rows.map(([, name, type, help]) => [name, `${type}: ${help}`]));
  const wanted = new Map((await allMetrics()).map(({ name, type, help }) => [name, `${type}: ${help}`]));
  assert.deepEqual(told, wanted);
});

test('the Grafana dashboard names only metrics and labels that exist, and looks at every phase of the way', async () => {
  const dashboard = JSON.parse(await docs('grafana-dashboard.json')) as {
    readonly panels: readonly { readonly id: number; readonly targets: readonly { readonly expr: string }[] }[];
    readonly templating: { readonly list: readonly { readonly query: string }[] };
  };
  const { registry } = open().metrics;
  const labelsOf = (name: string): readonly string[] | undefined => {
    const histogram = name.replace(/_(bucket|sum|count)$/, '');
    const metric = (registry.getSingleMetric(name) ?? registry.getSingleMetric(histogram)) as unknown;
    return metric === undefined ? undefined : (metric as { readonly labelNames: readonly string[] }).labelNames;
  };
  const used = new Set<string>();
  const exprs = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  for (const text of [...exprs, ...dashboard.templating.list.map(({ query }) => query)])
    for (const [, name = '', selector = ''] of text.matchAll(/\b((?:stunmesh|process)_\w+)(?:\{([^}]*)\})?/g)) {
      used.add(name);
      const labels = labelsOf(name);
      assert.ok(labels, `${name} in ${text}`);
      // What Prometheus adds itself.
      const allowed = [...labels, 'instance', 'job'];
      for (const [, label = ''] of selector.matchAll(/(\w+)\s*[=!]/g))
        assert.ok(allowed.includes(label), `${label}: ${text}`);
      for (const [, list = ''] of text.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of list.split(',').map((part) => part.trim()))
          assert.ok([...allowed, 'le'].includes(label), `${label}: ${text}`);
    }
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const part of ['peer_phase', 'handshake_age', 'stun_rtt', 'store_call_duration', 'endpoint_writes', 'faults'])
    assert.ok(
      [...used].some((name) => name.includes(part)),
      part,
    );
});
