import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode, isStunmeshError, parsePublicKey } from '#src/api/index.js';
import { parseDump } from '#src/wireguard/dump.js';
import { caught, visible } from './visible.js';

const names = { name: 'wg0', realName: 'wg0' };
const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const publicKey = (n: number) => {
  const parsed = parsePublicKey(key(n));
  assert.ok(parsed);
  return parsed;
};

const DEVICE = [key(1), key(2), '51820', 'off'];
const PEER = [key(3), '(none)', '192.0.2.1:7', '10.0.0.2/32,fd00::2/128', '1700000000', '10', '20', '25'];
const dump = (...lines: readonly (readonly string[])[]) => lines.map((fields) => `${fields.join('\t')}\n`).join('');

test('parseDump reads device and peers', () => {
  const mark = [key(1), key(2), '0', '0xca6c'];
  const bare = [key(4), key(5), '(none)', '(none)', '0', '0', '0', 'off'];
  const six = [key(6), '(none)', '[fe80::1%eth0]:9', '0.0.0.0/0', '5', '18446744073709551615', '1', '65535'];
  const { device, presharedKeys } = parseDump(dump(mark, PEER, bare, six), { name: 'home', realName: 'utun4' });
  assert.equal(device.name, 'home');
  assert.equal(device.realName, 'utun4');
  assert.equal(device.publicKey, key(2));
  assert.deepEqual(device.secretKey.expose(), Uint8Array.from(Buffer.alloc(32, 1)));
  assert.equal(device.listenPort, 0);
  assert.equal(device.firewallMark, 0xca6c);
  assert.deepEqual(
    [...device.peers.values()],
    [
      {
        publicKey: key(3),
        endpoint: { family: 4, address: '192.0.2.1', port: 7 },
        allowedIps: ['10.0.0.2/32', 'fd00::2/128'],
        latestHandshakeAt: 1_700_000_000_000,
        rxBytes: 10,
        txBytes: 20,
        keepaliveSeconds: 25,
      },
      { publicKey: key(4), allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 },
      {
        publicKey: key(6),
        endpoint: { family: 6, address: 'fe80::1', port: 9, zone: 'eth0' },
        allowedIps: ['0.0.0.0/0'],
        latestHandshakeAt: 5000,
        rxBytes: 2 ** 64,
        txBytes: 1,
        keepaliveSeconds: 65535,
      },
    ],
  );
  assert.deepEqual([...presharedKeys.keys()], [key(4)]);
  assert.deepEqual(presharedKeys.get(publicKey(4))?.expose(), Uint8Array.from(Buffer.alloc(32, 5)));
});

test('F25 a handshake time of 0 is none', () => {
  const { device } = parseDump(dump(DEVICE, PEER.with(4, '0')), names);
  assert.equal('latestHandshakeAt' in (device.peers.get(publicKey(3)) ?? {}), false);
});

test('parseDump takes a zone with letters that an endpoint here cannot have by leaving it out', () => {
  const { device } = parseDump(dump(DEVICE, PEER.with(2, '[fe80::1%br+lan=0]:9')), names);
  assert.deepEqual(device.peers.get(publicKey(3))?.endpoint, { family: 6, address: 'fe80::1', port: 9 });
});

test('parseDump takes further fields of a later wg, and lines that end in CR', () => {
  const text = dump([...DEVICE, 'more'], [...PEER, 'more', 'most']).replaceAll('\n', '\r\n');
  assert.equal(parseDump(text, names).device.peers.size, 1);
});

test('parseDump of a device without a private key is ERR_WG_FAILED that says what to do', () => {
  const error = caught(() => parseDump(dump(['(none)', '(none)', '1', 'off']), names));
  assert.ok(hasCode(error, 'ERR_WG_FAILED'));
  assert.match(String(error), /no private key.*wg set wg0 private-key/);
});

test('F24 parseDump names line and field of what is wrong, and never the text', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['', /line 1, 1 fields where 4/],
    ['\n', /line 1, 1 fields/],
    [dump(DEVICE.with(0, 'KEYKEY')), /line 1, field 1 \(private key\)/],
    [dump(DEVICE.with(1, '(none)')), /line 1, field 2 \(public key\)/],
    [dump(DEVICE.with(2, '65536')), /line 1, field 3 \(listen port\)/],
    [dump(DEVICE.with(3, '0x1ffffffff')), /line 1, field 4 \(fwmark\)/],
    [dump(DEVICE, PEER, PEER.slice(1)), /line 3, 7 fields where 8/],
    [dump(DEVICE, PEER.with(0, `${key(3).slice(0, -2)}x=`)), /line 2, field 1 \(public key\)/],
    [dump(DEVICE, PEER.with(1, 'KEYKEY')), /line 2, field 2 \(preshared key\)/],
    [dump(DEVICE, PEER.with(2, 'host:1')), /line 2, field 3 \(endpoint\)/],
    [dump(DEVICE, PEER.with(3, '10.0.0.1')), /line 2, field 4 \(allowed ips\)/],
    [dump(DEVICE, PEER.with(4, '-1')), /line 2, field 5 \(latest handshake\)/],
    [dump(DEVICE, PEER.with(5, '1e3')), /line 2, field 6 \(transfer-rx\)/],
    [dump(DEVICE, PEER.with(6, '')), /line 2, field 7 \(transfer-tx\)/],
    [dump(DEVICE, PEER.with(7, '65536')), /line 2, field 8 \(persistent-keepalive\)/],
  ];
  for (const [text, where] of wrong) {
    const error = caught(() => parseDump(text, names));
    assert.ok(hasCode(error, 'ERR_WG_PROTOCOL'), visible(error));
    assert.match(String(error), where);
    assert.equal(visible(error).includes('KEYKEY'), false);
  }
});

test('F34 no secret of a dump is visible in what is parsed', () => {
  const [secret, preshared] = [randomBytes(32), randomBytes(32)].map((b) => b.toString('base64'));
  const reading = parseDump(dump(DEVICE.with(0, secret ?? ''), PEER.with(1, preshared ?? '')), names);
  for (const text of [secret, preshared]) {
    assert.equal(visible(reading).includes(text ?? ''), false);
    assert.equal(visible(reading).includes(Buffer.from(text ?? '', 'base64').toString('hex')), false);
  }
});

test('F34 fuzz: a dump is a value or a typed error, and the error shows nothing of a planted secret', () => {
  const field = fc.oneof(
    fc.constantFrom(...DEVICE, ...PEER, '(none)', 'off', '', '0', '-1', '0x', '[::1]:5', '1.2.3.4:5', '::/0'),
    fc.string({ maxLength: 60 }),
  );
  const line = fc.oneof(
    fc.constant(DEVICE),
    fc.constant(PEER),
    fc.tuple(fc.nat(7), field).map(([at, text]) => PEER.with(at, text)),
    fc.tuple(fc.nat(3), field).map(([at, text]) => DEVICE.with(at, text)),
    fc.array(field, { maxLength: 10 }),
  );
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('base64'));
  const broken = fc.constantFrom(
    (s: string) => s,
    (s: string) => s.slice(1),
    (s: string) => `${s}\n`,
    (s: string) => `${s}x`,
    (s: string) => Buffer.from(s, 'base64').toString('hex'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), secret, broken, fc.nat(5), fc.nat(7), (lines, s, bend, y, x) => {
      const planted = lines.map((fields, i) =>
        i === y % lines.length && fields.length > 0 ? fields.with(x % fields.length, bend(s)) : fields,
      );
      const error = caught(() => parseDump(dump(...planted), names));
      if (error === undefined) return;
      assert.ok(isStunmeshError(error), visible(error));
      const shown = visible(error);
      for (const text of [s, Buffer.from(s, 'base64').toString('hex')])
        assert.equal(shown.includes(text.slice(4, 20)), false, shown);
    }),
    { numRuns: 2000 },
  );
});

test('parseDump reads 5,000 peers of 20 prefixes', () => {
  const prefixes = Array.from({ length: 20 }, (_, i) => `10.${i}.0.0/16`).join(',');
  const peers = Array.from({ length: 5000 }, () => PEER.with(0, randomPublicKey()).with(3, prefixes));
  assert.equal(parseDump(dump(DEVICE, ...peers), names).device.peers.size, 5000);
});

function randomPublicKey(): string {
  return randomBytes(32).toString('base64');
}
