/** A host on which a lot is wrong at once, and what doctor has to say of each fault. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createKeyPair, type Host, type KeyPair, type Lab, must, REPOSITORY, until } from '../../lab/index.js';
import { codeOf, Folder, seal } from '../../lab/steps/records.js';
import { doctorConfig, type Examination, type Expected, examine } from './doctoring.js';

const DAY = 86_400;
const HONEST = ['203.0.113.1:3478', '203.0.113.2:3478'];
const API_PORT = 8053;
const fixture = (name: string): string => join(REPOSITORY, 'test/fixtures/e2e', name);

/** One examination of a host on which a lot is wrong at once: each peer has a fault of its own. */
export async function manyFaults(
  lab: Lab,
  a: Host,
  b: Host,
): Promise<{ found: Examination; expected: readonly Expected[]; token: string }> {
  const [silent, foreign, ahead, behind, clouded, icy, meant] = await a.addPhantomPeers(7);
  assert.ok(silent && foreign && ahead && behind && clouded && icy && meant);
  const stranger = createKeyPair();
  const folder = new Folder(lab.storeDir);
  const now = Math.floor(Date.now() / 1000);
  const put = (peer: KeyPair, sender: KeyPair, t: number) => {
    const plain = JSON.stringify({ ipv4: '203.0.113.70:51820', c: codeOf({ sender: peer.publicKey, t }) });
    return folder.put(peer.publicKey, a.keys.publicKey, seal(plain, sender, a.keys.publicKey));
  };
  await put(foreign, stranger, now);
  await put(ahead, ahead, now + DAY);
  await put(behind, behind, now - DAY);
  const servers = [
    lab.spawn(lab.publicNamespace, [
      process.execPath,
      fixture('stun-liar.mjs'),
      '203.0.113.3',
      '3478',
      '192.0.2.66',
      '6666',
    ]),
    a.spawn([process.execPath, fixture('refusing-api.mjs'), String(API_PORT)]),
  ];
  await until(() => servers.every((server) => server.stdout.includes('ready')), {
    what: 'the server that lies and the one that refuses',
  });

  const token = 'a-token-that-nobody-knows';
  const readOnly = join(lab.dir, 'read-only');
  await must(undefined, ['mkdir', '-p', readOnly]);
  const peer = (keys: KeyPair, plugin = 'folder') => ({ public_key: keys.publicKey, plugin });
  const peers = {
    b: { public_key: b.keys.publicKey, plugin: 'folder', protocol: 'ipv4' },
    mistyped: peer(stranger),
    silent: peer(silent),
    foreign: peer(foreign),
    ahead: peer(ahead),
    behind: peer(behind),
    clouded: peer(clouded, 'cloud'),
    frozen: peer(icy, 'frozen'),
  };
  const config = await doctorConfig(lab, a, {
    stun: [...HONEST, '203.0.113.3:3478'],
    plugins: {
      folder: { type: 'builtin', name: 'file', path: lab.storeDir },
      frozen: { type: 'builtin', name: 'file', path: readOnly },
      cloud: {
        type: 'builtin',
        name: 'cloudflare',
        zone: 'example.com',
        token,
        api: `http://127.0.0.1:${API_PORT}/v4`,
      },
    },
    extra: { interfaces: { [a.device]: { protocol: 'ipv4', peers } } },
  });
  // `ip netns exec` gave this command a mount namespace of its own.
  const frozen = `mount --bind '${readOnly}' '${readOnly}' && mount -o remount,bind,ro '${readOnly}' && exec "$0" "$@"`;
  const found = await examine(a, config, { wrap: ['sh', '-c', frozen] });
  await Promise.all(servers.map((server) => server.kill()));

  const of = (name: string): string => `${a.device}/${name}`;
  return {
    found,
    token,
    expected: [
      {
        check: 'peer',
        subject: of('mistyped'),
        verdict: 'fault',
        text: new RegExp(
          `no peer with the public key .*; of its peers ${literally(meant.publicKey)} is not in the configuration`,
        ),
        remedy: /Compare its public key with `wg show`/,
        code: 'ERR_WG_PEER_NOT_FOUND',
      },
      {
        check: 'stun',
        verdict: 'fault',
        text: /^203\.0\.113\.3:3478 sees 192\.0\.2\.66:6666.*contradicts the other servers/,
        remedy: /take it out of `stun\.addresses`/,
      },
      {
        check: 'store',
        subject: 'store "cloud"',
        verdict: 'fault',
        text: /cannot be read/,
        remedy: /check token, password or file mode/,
        code: 'ERR_STORE_DENIED',
      },
      {
        check: 'store',
        subject: 'store "frozen"',
        verdict: 'fault',
        text: /can be read and not written \(read-only\)/,
        remedy: /mount that file system writable/,
        code: 'ERR_STORE_DENIED',
      },
      {
        check: 'clock',
        verdict: 'fault',
        text: /clock is 24 h behind, by the Date of 127\.0\.0\.1/,
        remedy: /set the clock/,
      },
      {
        check: 'clock',
        verdict: 'warning',
        text: /record of \S+\/ahead is dated 24 h in the future/,
        remedy: /date -u/,
      },
      {
        check: 'peer',
        subject: of('behind'),
        verdict: 'warning',
        text: /is 24 h old.*its clock is behind by that much/,
        remedy: /date -u/,
      },
      {
        check: 'peer',
        subject: of('silent'),
        verdict: 'fault',
        text: /no record of it in the store "folder"/,
        remedy: new RegExp(`start stunmesh there.*${literally(a.keys.publicKey)}`),
      },
      {
        check: 'peer',
        subject: of('foreign'),
        verdict: 'fault',
        text: /sealed by or for somebody else/,
        remedy: /check that both sides have each other's present public keys/,
        code: 'ERR_RECORD_UNOPENED',
      },
    ],
  };
}

function literally(text: string): string {
  return text.replace(/[+/=]/g, '\\$&');
}
