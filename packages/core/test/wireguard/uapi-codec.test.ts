import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode, isStunmeshError, parsePublicKey, SecretKey } from '#src/api/index.js';
import { ANSWER_END, checkAnswer, formatSetRequest, parseGetAnswer } from '#src/wireguard/uapi-codec.js';
import { caught, visible } from './visible.js';

const names = { name: 'wg0', realName: 'wg0' };
const hex = (n: number) => Buffer.alloc(32, n).toString('hex');
const base64 = (n: number) => {
  const key = parsePublicKey(Buffer.alloc(32, n).toString('base64'));
  assert.ok(key);
  return key;
};

/** What wireguard-go 0.0.20220316 answered to get=1, keys replaced. */
const DEVICE = [`private_key=${hex(1)}`, 'listen_port=48319', 'fwmark=66'];
const PEER = [
  `public_key=${hex(3)}`,
  `preshared_key=${hex(0)}`,
  'protocol_version=1',
  'endpoint=1.2.3.4:77',
  'last_handshake_time_sec=1700000000',
  'last_handshake_time_nsec=123456789',
  'tx_bytes=148',
  'rx_bytes=92',
  'persistent_keepalive_interval=25',
  'allowed_ip=10.0.0.1/32',
  'allowed_ip=fd00::1/128',
];
const answer = (...lines: readonly string[]) => [...lines, 'errno=0', '', ''].join('\n');

test('parseGetAnswer reads device and peers, keys in base64', () => {
  const bare = [`public_key=${hex(4)}`, `preshared_key=${hex(5)}`, 'last_handshake_time_sec=0'];
  const { device, presharedKeys } = parseGetAnswer(answer(...DEVICE, ...PEER, ...bare), names);
  // What `wg pubkey` makes of this private key.
  assert.equal(device.publicKey, 'pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk=');
  assert.deepEqual(device.secretKey.expose(), Uint8Array.from(Buffer.alloc(32, 1)));
  assert.equal(device.listenPort, 48319);
  assert.equal(device.firewallMark, 66);
  assert.deepEqual(device.peers.get(base64(3)), {
    publicKey: base64(3),
    endpoint: { family: 4, address: '1.2.3.4', port: 77 },
    allowedIps: ['10.0.0.1/32', 'fd00::1/128'],
    latestHandshakeAt: 1_700_000_000_123,
    rxBytes: 92,
    txBytes: 148,
    keepaliveSeconds: 25,
  });
  assert.deepEqual([...presharedKeys.keys()], [base64(4)]);
});

test('F25 a handshake at second 0 is none, over the socket too', () => {
  const { device } = parseGetAnswer(
    answer(...DEVICE, `public_key=${hex(3)}`, 'last_handshake_time_sec=0', 'last_handshake_time_nsec=0'),
    names,
  );
  assert.equal('latestHandshakeAt' in (device.peers.get(base64(3)) ?? {}), false);
});

test('parseGetAnswer passes over keys that it does not know', () => {
  const { device } = parseGetAnswer(answer('new_fact=1', ...DEVICE, ...PEER, 'junk=a=b'), names);
  assert.equal(device.peers.size, 1);
});

test('F24 parseGetAnswer names line and key of what is wrong, never the text', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    [answer(`private_key=${hex(1)}0`), /line 1 \(private_key\)/],
    [answer(...DEVICE, 'listen_port=65536'), /line 4 \(listen_port\)/],
    [answer(...DEVICE, 'fwmark=0x1'), /line 4 \(fwmark\)/],
    [answer(...DEVICE, 'endpoint=1.2.3.4:5'), /line 4 \(endpoint\)/],
    [answer(...DEVICE, 'public_key=KEYKEY'), /line 4 \(public_key\)/],
    [answer(...DEVICE, `public_key=${hex(3)}`, 'preshared_key=KEYKEY'), /line 5 \(preshared_key\)/],
    [answer(...DEVICE, ...PEER, 'allowed_ip=10.0.0.1'), /line 15 \(allowed_ip\)/],
    [answer(...DEVICE, ...PEER, 'rx_bytes=-1'), /line 15 \(rx_bytes\)/],
    [answer(...DEVICE, 'KEYKEY'), /line 4 \(no key=value\)/],
    ['', /no errno line/],
    [[...DEVICE, ''].join('\n'), /no errno line/],
  ];
  for (const [text, where] of wrong) {
    const error = caught(() => parseGetAnswer(text, names));
    assert.ok(hasCode(error, 'ERR_WG_PROTOCOL'), visible(error));
    assert.match(String(error), where);
    assert.equal(visible(error).includes('KEYKEY'), false);
  }
});

test('a socket that tells no private key may be one of BoringTun: what to use instead', () => {
  const error = (() => {
    try {
      parseGetAnswer('listen_port=51820\nfwmark=0\nerrno=0\n\n', { name: 'wg0', realName: 'wg0' });
    } catch (failure) {
      return failure;
    }
    return undefined;
  })();
  assert.ok(hasCode(error, 'ERR_WG_FAILED'));
  assert.match(String(error), /BoringTun, which never tells it; .*use the kernel's WireGuard or wireguard-go/);
});

test('an errno becomes a code, a device without a private key ERR_WG_FAILED', () => {
  assert.equal(
    caught(() => checkAnswer('errno=0\n\n', 'wg0')),
    undefined,
  );
  assert.ok(
    hasCode(
      caught(() => checkAnswer('errno=-1\n\n', 'wg0')),
      'ERR_WG_PERMISSION',
    ),
  );
  assert.ok(
    hasCode(
      caught(() => checkAnswer('errno=13\n\n', 'wg0')),
      'ERR_WG_PERMISSION',
    ),
  );
  assert.ok(
    hasCode(
      caught(() => checkAnswer('errno=-22\n\n', 'wg0')),
      'ERR_WG_FAILED',
    ),
  );
  assert.ok(
    hasCode(
      caught(() => parseGetAnswer(answer('listen_port=5'), names)),
      'ERR_WG_FAILED',
    ),
  );
});

test('ANSWER_END knows a whole answer from one that has only begun', () => {
  for (const text of ['errno=0\n\n', 'a=b\nerrno=-22\n\n']) assert.ok(ANSWER_END.test(text), text);
  for (const text of ['errno=0\n', 'a=b\n\n', 'errno=\n\n', 'myerrno=0\n\n'])
    assert.equal(ANSWER_END.test(text), false);
});

test('F17 formatSetRequest writes what the protocol wants, update_only where asked', () => {
  const publicKey = base64(3);
  assert.equal(
    formatSetRequest([
      { publicKey, updateOnly: true, endpoint: { family: 6, address: 'fe80::1', port: 7, zone: 'eth0' } },
      { publicKey: base64(4), updateOnly: true, keepaliveSeconds: 0 },
    ]),
    `set=1\npublic_key=${hex(3)}\nupdate_only=true\nendpoint=[fe80::1%eth0]:7\n` +
      `public_key=${hex(4)}\nupdate_only=true\npersistent_keepalive_interval=0\n\n`,
  );
  assert.equal(
    formatSetRequest([
      { publicKey, remove: true },
      { publicKey, presharedKey: new SecretKey(Buffer.alloc(32, 9)), allowedIps: ['10.0.0.1/32', '::/0'] },
    ]),
    `set=1\npublic_key=${hex(3)}\nremove=true\npublic_key=${hex(3)}\npreshared_key=${hex(9)}\n` +
      'replace_allowed_ips=true\nallowed_ip=10.0.0.1/32\nallowed_ip=::/0\n\n',
  );
});

test('F34 no secret of an answer is visible in what is parsed', () => {
  const secrets = [randomBytes(32), randomBytes(32)];
  const [secret = '', preshared = ''] = secrets.map((b) => b.toString('hex'));
  const lines = [`private_key=${secret}`, `public_key=${hex(3)}`, `preshared_key=${preshared}`];
  const shown = visible(parseGetAnswer(answer(...lines), names));
  for (const bytes of secrets)
    for (const form of ['hex', 'base64'] as const) assert.equal(shown.includes(bytes.toString(form)), false);
});

test('F34 fuzz: an answer is a value or a typed error, and the error shows nothing of a planted secret', () => {
  const keys = [...DEVICE, ...PEER].map((line) => line.split('=')[0] ?? '');
  const line = fc.oneof(
    fc.constantFrom(...DEVICE, ...PEER),
    fc.tuple(fc.constantFrom(...keys), fc.string({ maxLength: 70 })).map(([k, v]) => `${k}=${v}`),
    fc.string({ maxLength: 40 }),
  );
  const end = fc.constantFrom('errno=0\n\n', 'errno=-22\n\n', '\n\n', '', 'errno=99999999999999\n\n');
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 30 }),
      end,
      fc.nat(),
      fc.nat(29),
      fc.constantFrom(...keys, ''),
      (lines, tail, seed, at, k) => {
        const secret = createHash('sha256').update(String(seed)).digest('hex');
        const bent = [secret, `${secret}0`, secret.slice(1), Buffer.from(secret, 'hex').toString('base64')][seed % 4];
        const planted = lines.toSpliced(at, 0, k === '' ? `${bent}` : `${k}=${bent}`);
        const error = caught(() => parseGetAnswer(`${planted.join('\n')}\n${tail}`, names));
        if (error === undefined) return;
        assert.ok(isStunmeshError(error), visible(error));
        const shown = visible(error);
        for (const text of [secret, Buffer.from(secret, 'hex').toString('base64')])
          assert.equal(shown.includes(text.slice(4, 20)), false, shown);
      },
    ),
    { numRuns: 2000 },
  );
});
