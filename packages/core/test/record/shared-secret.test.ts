import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import nacl from 'tweetnacl';
import { hasCode, type PublicKey, parsePublicKey, SecretKey } from '#src/api/index.js';
import { isWeakKey, sharedBoxKey, sharedSecret } from '#src/record/shared-secret.js';
import { LOW_ORDER } from './low-order.js';

const textOf = (bytes: Uint8Array): PublicKey =>
  parsePublicKey(Buffer.from(bytes).toString('base64')) ?? assert.fail('not a key');

test('the box key is the one that NaCl computes, also for keys above the prime and with the topmost bit', () => {
  const own = nacl.box.keyPair();
  const secret = new SecretKey(own.secretKey);
  const odd = [`02${'00'.repeat(30)}80`, `ef${'ff'.repeat(30)}7f`, `f0${'ff'.repeat(31)}`].map((hex) =>
    Buffer.from(hex, 'hex'),
  );
  const peers = [...Array.from({ length: 20 }, () => nacl.box.keyPair().publicKey), ...odd];
  for (const peer of peers) {
    assert.deepEqual(sharedBoxKey(secret, textOf(peer)), nacl.box.before(Uint8Array.from(peer), own.secretKey));
  }
});

test('F22 every encoding of a low-order key is refused, by the list and by OpenSSL', () => {
  const secret = new SecretKey(nacl.box.keyPair().secretKey);
  for (const hex of LOW_ORDER) {
    const weak = textOf(Buffer.from(hex, 'hex'));
    assert.equal(isWeakKey(weak), true, hex);
    for (const compute of [sharedSecret, sharedBoxKey])
      assert.throws(
        () => compute(secret, weak),
        (e) => hasCode(e, 'ERR_KEY_WEAK'),
        hex,
      );
  }
  assert.equal(isWeakKey(textOf(nacl.box.keyPair().publicKey)), false);
});

const bun = fileURLToPath(new URL('../../../../node_modules/@oven/bun-linux-x64/bin/bun', import.meta.url));
const options = { skip: existsSync(bun) ? false : 'needs @oven/bun-linux-x64' };

test('F22 under Bun the same box key comes out and the same keys are refused', options, () => {
  const own = nacl.box.keyPair();
  const peers = Array.from({ length: 10 }, () => nacl.box.keyPair().publicKey);
  const module = fileURLToPath(import.meta.resolve('#src/record/shared-secret.js'));
  const api = fileURLToPath(import.meta.resolve('#src/api/index.js'));
  const script = `
    const { sharedBoxKey } = await import(${JSON.stringify(module)});
    const { SecretKey } = await import(${JSON.stringify(api)});
    const { own, peers, weak } = JSON.parse(await new Response(Bun.stdin.stream()).text());
    const secret = SecretKey.parse(own);
    const keys = peers.map((peer) => Buffer.from(sharedBoxKey(secret, peer)).toString('hex'));
    const codes = weak.map((peer) => { try { sharedBoxKey(secret, peer); return 'none'; } catch (e) { return e.code; } });
    process.stdout.write(JSON.stringify({ keys, codes }));`;
  const input = {
    own: Buffer.from(own.secretKey).toString('hex'),
    peers: peers.map(textOf),
    weak: LOW_ORDER.map((hex) => textOf(Buffer.from(hex, 'hex'))),
  };
  const output = execFileSync(bun, ['-e', script], { input: JSON.stringify(input), encoding: 'utf8' });
  const { keys, codes } = JSON.parse(output) as { keys: string[]; codes: string[] };
  assert.deepEqual(
    keys,
    peers.map((peer) => Buffer.from(nacl.box.before(peer, own.secretKey)).toString('hex')),
  );
  assert.deepEqual(
    codes,
    LOW_ORDER.map(() => 'ERR_KEY_WEAK'),
  );
});
