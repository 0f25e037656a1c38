/** Secrets of stores by the keys of records: the same on both hosts, by module, and out of reach for whoever knows the public keys. */
import assert from 'node:assert/strict';
import { createHash, createHmac, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { publicKeyBytes, SecretKey } from '#src/api/index.js';
import { createKeyNames, createStoreSecrets, type KeyedDevice } from '#src/daemon/store-secrets.js';
import { storeKey } from '#src/record/store-key.js';
import { keyPair } from '../controllers/far-side.js';
import { key, PAIR_VECTORS as vectors } from '../record/pair-vectors.js';

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');

interface Host extends KeyedDevice {
  readonly secrets: ReturnType<typeof createStoreSecrets>;
}

function host(secret: string, own: string, ...peers: string[]): Host {
  const device = { publicKey: key(own), secretKey: SecretKey.parse(secret), peers: peers.map(key) };
  return { ...device, secrets: createStoreSecrets(() => [device]) };
}

test('both hosts of every golden pair give a module the secret that the vectors hold, by the key of the record', () => {
  for (const v of vectors) {
    const a = host(v.secretA, v.publicA, v.publicB);
    const b = host(v.secretB, v.publicB, v.publicA);
    const [ab, ba] = [storeKey(a.publicKey, b.publicKey), storeKey(b.publicKey, a.publicKey)];
    for (const { secrets } of [a, b]) {
      assert.equal(hex(secrets(v.storeAB.module, ab)), v.storeAB.secret);
      assert.equal(hex(secrets(v.storeBA.module, ba)), v.storeBA.secret);
      assert.notEqual(hex(secrets('dht', ab)), v.storeAB.secret, 'another module, another secret');
    }
  }
});

test('who knows both public keys, and has keys of his own, computes neither the secrets of the pair nor doctor’s', () => {
  const [v] = vectors;
  assert.ok(v);
  const a = host(v.secretA, v.publicA, v.publicB);
  const [ab, own] = [storeKey(a.publicKey, key(v.publicB)), storeKey(a.publicKey, a.publicKey)];
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const theirs = [v.publicA, v.publicB].map((text) => Buffer.from(publicKeyBytes(key(text))));
  const shared = [...theirs, Buffer.alloc(32), diffieHellman({ privateKey, publicKey })];
  const derive = (input: Buffer, from: Buffer, to: Buffer) => {
    const prk = createHmac('sha256', 'stunmesh pair 1').update(input).digest();
    const info = Buffer.concat([Buffer.from('stunmesh store 1\0dht\0'), from, to, Buffer.of(1)]);
    return createHmac('sha256', prk).update(info).digest('hex');
  };
  const guesses = shared.flatMap((input) => theirs.flatMap((from) => theirs.map((to) => derive(input, from, to))));
  for (const name of [ab, own]) {
    const secret = hex(a.secrets('dht', name));
    assert.equal(secret?.length, 64);
    assert.ok(!guesses.includes(secret ?? ''));
    assert.notEqual(secret, createHash('sha256').update(name).digest('hex'));
  }
  assert.notEqual(hex(a.secrets('dht', own)), hex(a.secrets('dht', ab)));
});

test('the derivation is the one that is written down: label, module, sender, receiver', () => {
  const [v] = vectors;
  assert.ok(v);
  const a = host(v.secretA, v.publicA, v.publicB);
  assert.equal(
    hex(a.secrets('dht', storeKey(a.publicKey, key(v.publicB)))),
    '4935aa78ce16a383e06aaf7594b1745f61523d4ffc848df6d3365da6c6552d25',
  );
});

test('keys follow the device: another key, another peer and a device that came later are known, a stranger’s record is nobody’s', () => {
  const [v, w] = vectors;
  assert.ok(v && w);
  const devices: KeyedDevice[] = [];
  const secrets = createStoreSecrets(() => devices);
  const before = host(v.secretA, v.publicA);
  const after = host(w.secretA, w.publicA, v.publicB);
  const [known, later] = [before, after].map(({ publicKey }) => storeKey(publicKey, key(v.publicB)));
  assert.ok(known !== undefined && later !== undefined);
  assert.equal(secrets('dht', known), undefined);
  devices.push(before);
  assert.equal(secrets('dht', known), undefined, 'it has no such peer yet');
  devices[0] = { ...before, peers: [key(v.publicB)] };
  assert.equal(secrets('dht', known)?.length, 32);
  devices[0] = after;
  assert.equal(secrets('dht', later)?.length, 32);
  assert.equal(secrets('dht', known), undefined, 'what the old key hid is no more told');
});

test('F22 a weak key has no secret, and keeps none from the others', () => {
  const [v] = vectors;
  assert.ok(v);
  const weak = Buffer.alloc(32).toString('base64');
  const a = host(v.secretA, v.publicA, weak, v.publicB);
  assert.equal(a.secrets('dht', storeKey(a.publicKey, key(weak))), undefined);
  assert.equal(a.secrets('dht', storeKey(a.publicKey, key(v.publicB)))?.length, 32);
});

test('a key in words: whose record it is, by the name in the configuration; one that is nobody’s has none', () => {
  const [own, peer] = [keyPair('own'), keyPair('peer')];
  const device = {
    ...own,
    peers: [peer.publicKey],
    nameOf: (key: string) => (key === peer.publicKey ? 'office' : undefined),
  };
  const describe = createKeyNames(() => [device]);
  assert.equal(describe(storeKey(peer.publicKey, own.publicKey)), 'of "office"');
  assert.equal(describe(storeKey(own.publicKey, peer.publicKey)), 'for "office"');
  assert.equal(describe(storeKey(own.publicKey, own.publicKey)), undefined);
  assert.equal(describe('ab'.repeat(20)), undefined);
});
