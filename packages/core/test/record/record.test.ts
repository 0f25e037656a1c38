import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import nacl from 'tweetnacl';
import { hasCode, isStunmeshError, type PublicKey, parsePublicKey, SecretKey } from '#src/api/index.js';
import { parseEndpoint } from '#src/net/index.js';
import { fingerprint, formatRecord, parseRecord, sealedLength } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { isWeakKey } from '#src/record/shared-secret.js';
import { storeKey } from '#src/record/store-key.js';
import { codedPlain, codeOf } from './coded.js';
import { LOW_ORDER } from './low-order.js';

interface Vector {
  readonly publisherPrivateKey: string;
  readonly publisherPublicKey: string;
  readonly readerPrivateKey: string;
  readonly readerPublicKey: string;
  readonly storeKey: string;
  readonly sealed: string;
  readonly plaintext: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/records/sealed-records.json', import.meta.url), 'utf8'),
) as readonly Vector[];
const key = (text: string): PublicKey => parsePublicKey(text) ?? assert.fail(`not a key: ${text}`);
const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(`not an endpoint: ${text}`);
const alice = nacl.box.keyPair();
const bob = nacl.box.keyPair();
const publicText = (pair: nacl.BoxKeyPair) => key(Buffer.from(pair.publicKey).toString('base64'));

test('every golden record opens on the reader side, lies under its key, and reads as its plain text', () => {
  assert.equal(vectors.length > 0, true);
  for (const v of vectors) {
    assert.equal(storeKey(key(v.publisherPublicKey), key(v.readerPublicKey)), v.storeKey);
    const plain = createChannel(SecretKey.parse(v.readerPrivateKey), key(v.publisherPublicKey)).open(v.sealed);
    assert.equal(plain, v.plaintext);
    const { problems: _, ...record } = parseRecord(plain);
    assert.equal(formatRecord(record).plain, v.plaintext, 'without extra members we write the very same text');
    assert.equal(sealedLength(v.plaintext), v.sealed.length);
  }
});

test('the hand-made vector of two known keys opens, in either letter case', () => {
  const a = key('e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM=');
  const b = key('D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=');
  assert.equal(storeKey(a, b), 'd2870e322e54620b95bc27b57e63c2b3b8ec3ad5');
  assert.equal(storeKey(b, a), '23cd998a6af0447ddf440c2fd0a66f7ebeec7589');
  const sealed =
    'a805666a2416902113923d789ecc649f0c153f6139f9a942c8246185d1564dc182082976857dd737443e2c6fda1e6a91ab340ac5cfcb8c8119dda25cdf8e3ebb456f494d15d83e14120a3c9af3499bd159e244a175979e25d1d37bc12bc48ef933ab';
  const channel = createChannel(new SecretKey(new Uint8Array(32).fill(0x22)), a);
  const want = '{"ipv4":"203.0.113.11:51820","ipv6":"[2001:db8::1]:51820"}';
  assert.equal(channel.open(sealed), want);
  assert.equal(channel.open(sealed.toUpperCase()), want);
});

test('what we seal opens by the plain rules of NaCl box, and by the peer', () => {
  const plain = '{"ipv4":"192.0.2.7:1","t":5}';
  const sealed = createChannel(new SecretKey(alice.secretKey), publicText(bob)).seal(plain);
  assert.match(sealed, /^[0-9a-f]+$/);
  const bytes = Uint8Array.from(Buffer.from(sealed, 'hex'));
  const opened = nacl.box.open(bytes.subarray(24), bytes.subarray(0, 24), alice.publicKey, bob.secretKey);
  assert.equal(Buffer.from(opened ?? []).toString(), plain);
});

test('F11 each seal has a fresh nonce', () => {
  const channel = createChannel(new SecretKey(alice.secretKey), publicText(bob));
  assert.notEqual(channel.seal('{}'), channel.seal('{}'));
});

test('a wrong, truncated, foreign or damaged record has its own error and is never quoted', () => {
  const channel = createChannel(new SecretKey(alice.secretKey), publicText(bob));
  const sealed = channel.seal('{"ipv4":"192.0.2.7:1"}');
  const foreign = createChannel(new SecretKey(nacl.box.keyPair().secretKey), publicText(bob)).seal('{}');
  const damaged = (sealed[0] === '0' ? '1' : '0') + sealed.slice(1);
  for (const [value, code] of [
    ['', 'ERR_RECORD_MALFORMED'],
    ['hello', 'ERR_RECORD_MALFORMED'],
    [`${sealed}\n`, 'ERR_RECORD_MALFORMED'],
    [sealed.slice(0, 60), 'ERR_RECORD_MALFORMED'],
    [sealed.slice(0, -2), 'ERR_RECORD_UNOPENED'],
    [damaged, 'ERR_RECORD_UNOPENED'],
    [foreign, 'ERR_RECORD_UNOPENED'],
  ] as const) {
    assert.throws(
      () => channel.open(value),
      (e: Error) => hasCode(e, code) && (value === '' || !e.message.includes(value)),
      value,
    );
  }
});

test('F22 low-order and all-zero peer keys are refused', () => {
  for (const hex of LOW_ORDER) {
    const weak = key(Buffer.from(hex, 'hex').toString('base64'));
    assert.equal(isWeakKey(weak), true, hex);
    // What the list says, the multiplication confirms.
    const product = nacl.scalarMult(alice.secretKey, Buffer.from(hex, 'hex'));
    assert.deepEqual(product, new Uint8Array(32), hex);
    assert.throws(
      () => createChannel(new SecretKey(alice.secretKey), weak),
      (e) => hasCode(e, 'ERR_KEY_WEAK'),
    );
  }
  assert.equal(isWeakKey(publicText(bob)), false);
});

test('reading is lenient in names and strict in types', () => {
  const parsed = parseRecord(
    '{"IPV4":"192.0.2.7:1","iPv6":null,"other":[1],"t":5,"n":1,"f":"abcdef01","b":"4ep","c":7}',
  );
  assert.deepEqual(parsed, { ipv4: endpoint('192.0.2.7:1'), problems: [] });
  for (const plain of ['', 'null', '[]', '3', '{"ipv4":1}', '{"ipv6":{}}', '{"ipv4":"192.0.2.7:1"'])
    assert.throws(
      () => parseRecord(plain),
      (e) => hasCode(e, 'ERR_RECORD_MALFORMED'),
      plain,
    );
});

test('F19 an endpoint that can be nobody is left out and named, the other family stays', () => {
  const cases: [string, RegExp][] = [
    ['127.0.0.1:22', /loopback/],
    ['255.255.255.255:1', /multicast|broadcast/],
    ['0.0.0.0:5', /unspecified/],
    ['224.0.0.1:5', /multicast/],
    ['192.0.2.1:0', /port 0/],
    ['192.0.2.1:65536', /numeric/],
    ['host.example:5', /numeric/],
    ['[2001:db8::1]:5', /other family/],
  ];
  for (const [text, why] of cases) {
    const parsed = parseRecord(JSON.stringify({ ipv4: text, ipv6: '[2001:db8::1]:5' }));
    assert.equal(parsed.ipv4, undefined, text);
    assert.deepEqual(parsed.ipv6, endpoint('[2001:db8::1]:5'));
    assert.match(parsed.problems.join(), why);
  }
});

test('members that do not fit are left out, last first, and said', () => {
  const lan4 = endpoint('192.168.1.20:51820');
  const record = {
    ipv4: endpoint('203.0.113.110:51820'),
    ipv6: endpoint('[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:51820'),
    c: codeOf({ t: 1795000000, n: 3, f: fingerprint(publicText(bob)), candidates: { lan4 } }),
  };
  assert.deepEqual(formatRecord(record).omitted, []);
  const most = sealedLength(formatRecord(record).plain) - 1;
  const tight = formatRecord(record, most);
  assert.deepEqual(tight.omitted, ['lan4']);
  assert.ok(sealedLength(tight.plain) <= most);
  assert.deepEqual(formatRecord(record, 255).omitted, ['c']);
  assert.deepEqual(formatRecord(record, 250).omitted, ['c', 'ipv6']);
  assert.throws(
    () => formatRecord(record, 100),
    (e) => hasCode(e, 'ERR_RECORD_TOO_LARGE'),
  );
});

test('records survive format and parse, and any text gives a value or a typed error', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 65535 }), fc.nat(), (address, port, t) => {
      const text = `${address}:${port}`;
      const plain = codedPlain({ ipv4: text }, { t });
      const parsed = parseRecord(plain);
      assert.equal(parsed.t, t);
      if (parsed.problems.length === 0) assert.equal(formatRecord({ ...parsed }).plain, plain);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseRecord(text);
      } catch (error) {
        assert.ok(isStunmeshError(error));
      }
    }),
  );
});
