/** From `init` to a service: two hosts set up by the command, run as the unit runs them, measured and stopped. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Daemon, DEFAULT_STUN, type Host, type Lab, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { CONNECT_LIMIT_MS } from '../lab/steps/pair.js';

const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const METRICS = '127.0.0.1:9586';
/** CAP_NET_ADMIN and CAP_NET_RAW of capabilities(7). */
const TWO_CAPABILITIES = '0000000000003000';

/** Prints each datagram that a service sends to its manager. */
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(s.recv(4096).decode().strip(), flush=True)
`;

/** Has `init` write the configuration of a host from its device; its path. */
async function initialise(lab: Lab, host: Host): Promise<string> {
  const path = join(lab.dir, host.name, 'etc/config.yaml');
  const stun = DEFAULT_STUN.flatMap((server) => ['--stun', server]);
  const args = ['init', '--store', 'file', '--set', `path=${lab.storeDir}`, ...stun, '-o', path];
  const { code, stdout, stderr } = await host.exec([process.execPath, MAIN, ...args]);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(host.keys.publicKey), stdout);
  const yaml = await readFile(path, 'utf8');
  for (const text of [stdout, yaml]) assert.equal(text.includes(host.keys.secret.toString('base64')), false);
  // What an operator would add: places of its own for each of two daemons on one machine, and metrics.
  const more = { run_dir: host.runDir, state_dir: host.stateDir, metrics: { listen: METRICS } };
  const lines = Object.entries(more).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  await writeFile(path, `${yaml}${lines.join('')}`);
  return path;
}

/** Starts it as systemd does: with two capabilities, and a manager that waits to hear of it. */
function start(host: Host, path: string, socket: string): Daemon {
  const confined = ['setpriv', '--bounding-set', '-all,+net_admin,+net_raw', '--inh-caps', '-all', '--no-new-privs'];
  const process_ = host.spawn([...confined, process.execPath, MAIN, '-c', path], { env: { NOTIFY_SOCKET: socket } });
  const daemon = new Daemon(process_, join(host.runDir, `${host.device}.sock`), path);
  host.daemons.push(daemon);
  return daemon;
}

async function get(host: Host, path: string): Promise<{ readonly status: number; readonly text: string }> {
  const script = `fetch('http://${METRICS}${path}').then(async (r) => console.log(r.status + ' ' + await r.text()))`;
  const { stdout, stderr } = await host.exec([process.execPath, '-e', script]);
  const [, status, text = ''] = /^(\d+) ([\s\S]*)$/.exec(stdout) ?? [];
  assert.ok(status, stderr);
  return { status: Number(status), text };
}

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;

labTest(
  'init on both sides, then the service as its unit runs it: ready, connected, measured, stopped',
  PAIR,
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const socket = join(lab.dir, 'notify');
    const manager = a.spawn(['python3', '-c', MANAGER, socket]);
    const heard = (line: string) => until(() => manager.stdout.includes(line), { what: `${line}: ${manager.stderr}` });
    await heard('listening');

    const [pathA, pathB] = await Promise.all([initialise(lab, a), initialise(lab, b)]);
    const daemon = start(a, pathA, socket);
    start(b, pathB, socket);
    await heard('READY=1');
    await heard(`STATUS=devices: ${a.device}`);
    const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
    for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
      assert.match(status, new RegExp(`^${set}:\\s*${TWO_CAPABILITIES}$`, 'm'));

    const connected = (d: Daemon | undefined) =>
      d?.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.phase === 'connected', { deadlineMs: CONNECT_LIMIT_MS });
    await Promise.all([a, b].map((host) => connected(host.daemons[0])));
    assert.deepEqual(await a.pingBurst(b, 5, 0.02), { sent: 5, received: 5 });

    // It pings the address that init guessed from the allowed IPs.
    const measured = await until(
      async () => {
        const { text } = await get(a, '/metrics');
        return /^stunmesh_peer_rtt_seconds\{/m.test(text) && text;
      },
      { what: 'a round trip' },
    );
    const valueIn = (series: string): number => {
      const line = measured.split('\n').find((candidate) => candidate.startsWith(series));
      assert.ok(line, `${series} in\n${measured}`);
      return Number(line.slice(line.lastIndexOf(' ') + 1));
    };
    const peer = `{device="${a.device}",peer="`;
    assert.equal(valueIn(`stunmesh_device_up{device="${a.device}"}`), 1);
    assert.match(
      measured,
      new RegExp(`^stunmesh_peer_phase\\{device="${a.device}",peer="peer-\\w{6}",phase="connected"\\} 1$`, 'm'),
    );
    for (const [series, least, most] of [
      ['stunmesh_peer_handshake_age_seconds', 0, 60],
      ['stunmesh_peer_rtt_seconds', 0, 5],
      ['stunmesh_peer_record_age_seconds', 0, 60],
      // None where the other side has set the path, and WireGuard followed.
      ['stunmesh_peer_endpoint_writes_total', 0, 5],
    ] as const) {
      const value = valueIn(`${series}${peer}`);
      assert.ok(value >= least && value <= most, `${series} ${value}`);
    }
    assert.ok(valueIn(`stunmesh_stun_rtt_seconds_count{device="${a.device}",family="ipv4",server="203.0.113.`) >= 1);
    for (const operation of ['get', 'set'])
      assert.ok(valueIn(`stunmesh_store_call_duration_seconds_count{store="shared",operation="${operation}"}`) >= 1);
    assert.doesNotMatch(measured, new RegExp(`203\\.0\\.113\\.\\d+:51820|${a.keys.publicKey.replaceAll('+', '\\+')}`));
    assert.deepEqual(await get(a, '/healthz'), { status: 200, text: 'ok\n\n' });

    await a.deleteDevice();
    const sick = await until(
      async () => {
        const health = await get(a, '/healthz');
        return health.status === 503 && health.text;
      },
      { what: '/healthz to miss the device', deadlineMs: 30_000 },
    );
    assert.match(sick, new RegExp(`^${a.device}: .*\\[ERR_WG_DEVICE_NOT_FOUND\\]`));
    assert.equal(await daemon.stop(), 0);
    await heard('STOPPING=1');
    await b.daemons[0]?.stop();
  },
);
