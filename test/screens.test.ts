/** What an operator sees on a terminal of 80 columns: commands run in one, and docs/screens.md shows what they print. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from './architecture/source.js';
import { callHere } from './call-here.js';
import { run } from './e2e/lab/index.js';

const MAIN = join(ROOT, 'packages/core/dist/cli/main.js');
const COLUMNS = 80;
const PAGE = join(ROOT, 'docs/screens.md');
/** Set to write the page anew: UPDATE=1 node --test test/dist/screens.test.js */
const update = process.env['UPDATE'] === '1';

let folder: string;
let server: Server;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'screens-'));
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end(`${JSON.stringify(snapshot(Date.now()))}\n`));
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'wg0.sock'), resolve));
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A router's daemon after some days: one good tunnel, and what can be wrong with others. */
function snapshot(now: number): object {
  const ago = (seconds: number): number => now - seconds * 1000;
  const key = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
  const peer = { publicKey: key, phaseForMs: 90_000, present: true, rxBytes: 1, txBytes: 1, keepaliveSeconds: 25 };
  const counts = { probes: 0, endpointWrites: 1, renewals: 0, reads: 9 };
  const record = (seconds: number) => ({ store: 'shared', readAt: ago(5), t: Math.floor(ago(seconds) / 1000) });
  const unavailable = 'redis at store.example.org:6379 refused the connection';
  return {
    type: 'snapshot',
    version: 1,
    stunmesh: '0.1.0',
    pid: 812,
    startedAt: ago(4 * 86_400 + 60),
    clockSane: true,
    stores: [
      { name: 'shared', gets: 9, sets: 3, failures: 0, state: 'up' },
      {
        name: 'backup',
        gets: 9,
        sets: 3,
        failures: 9,
        state: 'down',
        retryAt: now + 150_500,
        lastError: { code: 'ERR_STORE_UNAVAILABLE', message: unavailable, at: ago(20) },
      },
    ],
    devices: [
      {
        name: 'wg0',
        state: 'up',
        publicKey: key,
        listenPort: 51820,
        firewallMark: 0,
        reflexive: { ipv4: '203.0.113.9:51820' },
        candidates: [
          { type: 'reflexive', endpoint: '203.0.113.9:51820', foundBy: 'stun.example.org:3478' },
          { type: 'host', endpoint: '192.168.1.20:51820', foundBy: 'eth0' },
        ],
        discoveries: 30,
        errors: [],
        peers: [
          {
            ...peer,
            ...counts,
            name: 'office',
            phase: 'connected',
            endpoint: '203.0.113.77:51820',
            latestHandshakeAt: ago(130),
            rttMs: 12.3,
            record: record(312),
            path: { endpoint: '203.0.113.77:51820', class: 'ipv4', state: 'valid', rttMs: 12.1 },
            paths: [
              { endpoint: '203.0.113.77:51820', class: 'ipv4', state: 'valid', rttMs: 12.1 },
              { endpoint: '[2001:db8:7::77]:51820', class: 'ipv6', state: 'valid', rttMs: 14.8 },
            ],
          },
          { ...peer, ...counts, name: 'van', phase: 'waiting' },
          {
            ...peer,
            ...counts,
            name: 'cabin',
            phase: 'connecting',
            endpoint: '127.0.0.1:9',
            record: record(200),
            parked: true,
            paths: [
              {
                endpoint: '198.51.100.7:40001',
                class: 'ipv4',
                state: 'failed',
                why: 'no answer: stunmesh does not run there, or a firewall in between drops it',
              },
              {
                endpoint: '10.7.0.5:51820',
                class: 'lan',
                state: 'refused',
                why: 'not on a link of ours, nor inside a prefix of lan',
              },
            ],
          },
          {
            ...peer,
            ...counts,
            name: 'attic',
            phase: 'waiting',
            present: false,
            lastError: {
              code: 'ERR_WG_PEER_NOT_FOUND',
              message:
                'device wg0 has no peer with the public key of "attic"; add it to WireGuard, it is looked for again',
              at: ago(3),
            },
          },
        ],
      },
    ],
  };
}

/** The command on a terminal of 80 columns; its output as the terminal got it, without carriage returns. */
async function onTerminal(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const line = `stty cols ${COLUMNS} rows 40; exec '${process.execPath}' '${MAIN}' ${command}`;
  const { stdout } = await run(undefined, ['script', '-qec', line, '/dev/null'], {
    env: { TERM: 'xterm', ...env },
    cwd: folder,
    timeoutMs: 60_000,
  });
  return stdout.replaceAll('\r', '');
}

const ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
const plain = (text: string): string => text.replaceAll(ESCAPE, '');

function expectNarrow(text: string, what: string): void {
  const wide = plain(text)
    .split('\n')
    .filter((line) => [...line].length > COLUMNS);
  assert.deepEqual(wide, [], what);
}

const HELP = [
  '',
  'status',
  'doctor',
  'init',
  'config',
  'config check',
  'plugin',
  'plugin test',
  'stun-server',
  'completion',
];

for (const command of HELP)
  test(`help fits a terminal: stunmesh ${command} --help`, async () => {
    // One on a real terminal shows that its width is what the others are handed.
    const text =
      command === 'plugin test'
        ? await onTerminal(`${command} --help`)
        : (await callHere([...command.split(' ').filter(Boolean), '--help'], folder, {}, { columns: COLUMNS })).stdout;
    assert.match(text, /^Usage: stunmesh/);
    expectNarrow(text, command);
    assert.equal(plain(text), text, 'help has no colours');
  });

/** What docs/screens.md shows, in its order. */
async function screens(): Promise<
  readonly { readonly title: string; readonly command: string; readonly text: string }[]
> {
  const broken = 'refresh_interval: 60\ninterfaces:\n  wg0:\n    peer:\n      office: {}\n';
  writeFileSync(join(folder, 'broken.yaml'), broken, { mode: 0o600 });
  const status = `status --run-dir ${folder}`;
  return [
    { title: 'Help', command: 'stunmesh --help', text: await onTerminal('--help') },
    { title: 'Status', command: 'stunmesh status', text: await onTerminal(status, { NO_COLOR: '1' }) },
    {
      title: 'A configuration that is not valid',
      command: 'stunmesh config check broken.yaml',
      text: await onTerminal('config check broken.yaml'),
    },
    { title: 'A word that is no command', command: 'stunmesh stauts', text: await onTerminal('stauts') },
    { title: 'No configuration', command: 'stunmesh -c missing.yaml', text: await onTerminal('-c missing.yaml') },
  ];
}

test('docs/screens.md shows what the commands print on a terminal of 80 columns', async () => {
  const shown = (await screens()).map(
    ({ title, command, text }) => `## ${title}\n\n\`\`\`text\n$ ${command}\n${text.trimEnd()}\n\`\`\`\n`,
  );
  const page = `# Screens

What an operator sees on a terminal of 80 columns, without colours. A test runs these commands and compares. The one of \`stunmesh doctor\`
stands in [doctor.md](doctor.md).

${shown.join('\n')}`;
  expectNarrow(shown.join(''), 'screens');
  if (update) writeFileSync(PAGE, page);
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'UPDATE=1 node --test test/dist/screens.test.js writes it anew');
});

test('status has colours on a terminal, the same words and no more columns without them', async () => {
  const command = `status --run-dir ${folder}`;
  const coloured = await onTerminal(command);
  assert.notEqual(plain(coloured), coloured);
  expectNarrow(coloured, 'status');
  const without = await onTerminal(command, { NO_COLOR: '1' });
  assert.equal(plain(without), without);
  assert.equal(plain(coloured), without);
  const piped = await run(undefined, [process.execPath, MAIN, ...command.split(' ')], { timeoutMs: 60_000 });
  assert.equal(piped.stdout, without, 'into a pipe');
});
