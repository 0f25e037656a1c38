/** Doctor's screen: 80 columns, the same words with and without colour, and the one that docs/doctor.md shows. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { CHECKS, type Finding, remedyOf } from '#src/doctor/finding.js';
import { createReport, formatGroup, formatSummary } from '#src/doctor/report.js';
import { fixturePath } from '../config/fixtures.js';

const KEY = 'e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM=';

const FINDINGS: readonly Finding[] = [
  {
    check: 'configuration',
    verdict: 'ok',
    text: '/etc/stunmesh/config.yaml: valid (1 interface, 3 peers, 1 plugin, 3 STUN servers)',
  },
  { check: 'privileges', verdict: 'ok', text: 'root, with all that is needed' },
  { check: 'wireguard', verdict: 'ok', text: 'devices of the kernel are controlled by netlink, without wg(8)' },
  { check: 'wireguard', verdict: 'ok', text: 'the kernel has WireGuard' },
  { check: 'capture', verdict: 'ok', text: 'the capture module "linux" is loaded' },
  {
    check: 'capture',
    verdict: 'ok',
    text: 'self-test on loopback: a STUN reply arrives, another packet is kept out',
  },
  {
    check: 'device',
    subject: 'wg0',
    verdict: 'ok',
    text: `port 51820, no firewall mark, 3 peers, public key ${KEY}`,
  },
  { check: 'daemon', subject: 'wg0', verdict: 'ok', text: 'stunmesh 0.1.0 runs as process 812, for 4 d' },
  { check: 'route', subject: 'wg0', verdict: 'ok', text: "probes leave by eth0, as WireGuard's own packets do" },
  {
    check: 'stun',
    subject: 'wg0 IPv4',
    verdict: 'ok',
    text: 'stun.example.net:3478 sees 203.0.113.9:51820, after 12 ms',
  },
  {
    check: 'stun',
    subject: 'wg0 IPv4',
    verdict: 'fault',
    text: 'stun.example.org:3478 sees 192.0.2.66:6666, after 31 ms: that contradicts the other servers',
    remedy: 'take it out of `stun.addresses`: peers would be sent to an address that is not ours.',
    code: 'ERR_STUN_REFUSED',
  },
  {
    check: 'nat',
    subject: 'wg0 IPv4',
    verdict: 'ok',
    text: 'a NAT that lets in the ports it wrote to (port-restricted cone): mapping endpoint-independent, filtering address-and-port-dependent, ports are kept',
  },
  { check: 'clock', verdict: 'ok', text: '2026-11-21T01:30:21Z: no record and no server contradicts it' },
  { check: 'store', subject: 'store "main"', verdict: 'ok', text: 'read in 2.1 ms, written in 14 ms, and read back' },
  {
    check: 'peer',
    subject: 'wg0/site-b',
    verdict: 'ok',
    text: 'its record in "main" is 5 min old, opens, and names 203.0.113.77:51820',
  },
  {
    check: 'peer',
    subject: 'wg0/site-b',
    verdict: 'ok',
    text: 'connected at 203.0.113.77:51820: the last handshake was 41 s ago',
  },
  {
    check: 'peer',
    subject: 'wg0/site-b',
    verdict: 'ok',
    text: 'packets of full size (1420 bytes) pass to 10.0.0.2 and back',
  },
  {
    check: 'peer',
    subject: 'wg0/site-c',
    verdict: 'fault',
    text: 'needs the other side: there is no record of it in the store "main"',
    remedy: `start stunmesh there, with this store, and with this host as a peer under its public key ${KEY}.`,
  },
  {
    check: 'peer',
    subject: 'wg0/van',
    verdict: 'warning',
    text: 'its record in "main" could not be read: the store "main" failed',
    remedy: remedyOf('ERR_STORE_UNAVAILABLE'),
    code: 'ERR_STORE_UNAVAILABLE',
  },
];

function screen(colour: boolean): string {
  const groups = CHECKS.map((name) =>
    formatGroup(
      FINDINGS.filter(({ check }) => check === name),
      { colour },
    ),
  );
  return `${groups.join('')}\n${formatSummary(FINDINGS, { colour })}`;
}

test('the screen fits 80 columns, and colour changes nothing of its words', () => {
  const plain = screen(false);
  const long = plain.split('\n').filter((line) => line.length > 80);
  assert.deepEqual(long, []);
  assert.equal(stripVTControlCharacters(plain), plain);
  const coloured = screen(true);
  assert.notEqual(coloured, plain);
  assert.equal(stripVTControlCharacters(coloured), plain);
  assert.ok(coloured.includes('\u001b[31mfault    \u001b[0m'), 'a fault is red');
  assert.ok(plain.endsWith('\n2 faults, 1 warning. Exit status 2.\n'));
});

test('the screen of docs/doctor.md is this one', async () => {
  const page = await readFile(fixturePath('../../../docs/doctor.md'), 'utf8');
  assert.ok(page.includes(`\`\`\`text\n${screen(false)}\`\`\``), screen(false));
});

test('what is longer than a line is broken between words; lines of a text stay lines', () => {
  const text = formatGroup(
    [
      {
        check: 'peer',
        verdict: 'note',
        text: `${'word '.repeat(30)}${'x'.repeat(90)}\n  set in`,
        remedy: 'this '.repeat(40),
      },
    ],
    { colour: false },
  );
  const lines = text.trimEnd().split('\n');
  assert.equal(lines[0], 'Peers');
  assert.match(lines[1] ?? '', /^ {2}note {5}word word/);
  assert.ok(lines.slice(2).every((line) => line.startsWith(' '.repeat(11))));
  assert.ok(lines.includes(`${' '.repeat(13)}set in`));
  assert.ok(lines.some((line) => /^ {11}do: this/.test(line)));
  assert.deepEqual(
    lines.filter((line) => line.length > 80).map((line) => line.trim()),
    ['x'.repeat(90)],
  );
  assert.equal(formatGroup([], { colour: true }), '');
});

test('all is well: one last line; notes do not count', () => {
  const well: readonly Finding[] = [{ check: 'nat', verdict: 'note', text: 'x' }];
  assert.equal(formatSummary(well, { colour: false }), 'All is well. Exit status 0.\n');
});

test('programs get a version, the verdict, the exit status and the findings as they are', () => {
  const report = createReport(FINDINGS, '0.1.0', 1);
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  assert.deepEqual([report.version, report.verdict, report.exitStatus, report.at], [1, 'fault', 2, 1]);
});
