/** `stunmesh doctor` names each kind of NAT, and foretells each pair by its own NAT and the one that the peer's record tells of. */
import assert from 'node:assert/strict';
import type { Host, Lab, NatKind } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { NAT_PAIRS } from '../lab/steps/nat-pairs.js';
import { codeOf, Folder, seal } from '../lab/steps/records.js';
import { doctorConfig, type Examination, examine } from './steps/doctoring.js';

/** One with two addresses, which answers CHANGE-REQUEST, and a plain one. */
const STUN = ['203.0.113.1:3478', '203.0.113.3:3478'];
/** Mapping and filtering of each kind, by their numbers in a record's member `c`. */
const CODES: readonly (readonly [NatKind, number, number])[] = [
  ['none', 1, 1],
  ['full', 2, 1],
  ['restricted', 2, 2],
  ['port-restricted', 2, 3],
  ['symmetric', 4, 3],
];
const WORDS: Readonly<Record<string, RegExp>> = {
  none: /^no NAT: the host has its public address itself/,
  full: /full cone/,
  restr: /\(restricted cone/,
  portr: /port-restricted cone/,
  symm: /symmetric/,
  twice: /port-restricted cone/,
};
const KINDS: Readonly<Record<string, NatKind>> = {
  none: 'none',
  full: 'full',
  restr: 'restricted',
  portr: 'port-restricted',
  symm: 'symmetric',
};

/** A host on which nothing runs, whose peers exist as records alone: one behind each kind of NAT. */
async function visit(lab: Lab, host: Host): Promise<Examination> {
  const folder = new Folder(lab.storeDir);
  const phantoms = await host.addPhantomPeers(CODES.length);
  const peers: Record<string, unknown> = {};
  for (const [i, [kind, mapping4, filtering4]] of CODES.entries()) {
    const keys = phantoms[i];
    assert.ok(keys);
    const t = Math.floor(Date.now() / 1000);
    const c = codeOf({ sender: keys.publicKey, t, mapping4, filtering4 });
    const record = { ipv4: `203.0.113.${100 + i}:51820`, c };
    await folder.put(keys.publicKey, host.keys.publicKey, seal(JSON.stringify(record), keys, host.keys.publicKey));
    peers[kind] = { public_key: keys.publicKey, plugin: 'folder', protocol: 'ipv4' };
  }
  const extra = { interfaces: { [host.device]: { protocol: 'ipv4', peers } } };
  return examine(host, await doctorConfig(lab, host, { extra, stun: STUN }));
}

labTest(
  'doctor names each kind of NAT, a double one too, and foretells the 15 pairs on both sides',
  {
    sides: {
      none: { nats: ['none'] },
      full: { nats: ['full'] },
      restr: { nats: ['restricted'] },
      portr: { nats: ['port-restricted'] },
      symm: { nats: ['symmetric'] },
      twice: { nats: ['port-restricted', 'port-restricted'] },
    },
    coturn: [1, 2],
  },
  async (lab, t) => {
    await lab.startCoturn([3]);
    const hosts = [...lab.hosts.values()];
    const found = new Map(await Promise.all(hosts.map(async (host) => [host.name, await visit(lab, host)] as const)));

    for (const { name } of hosts) {
      await t.test(`behind ${name}`, () => {
        const findings = found.get(name)?.findings ?? [];
        const nat = findings.filter(({ check }) => check === 'nat');
        assert.match(nat[0]?.text ?? '', WORDS[name] ?? /^$/);
        assert.equal(
          nat.some(({ text }) => /double NAT/.test(text)),
          name === 'twice',
          JSON.stringify(nat),
        );
        assert.ok(
          !findings.some(({ check, verdict }) => check !== 'peer' && verdict === 'fault'),
          JSON.stringify(findings),
        );
      });
    }

    await t.test('each of the 15 pairs, seen from either side', () => {
      const outcome = (host: string, kind: NatKind): unknown =>
        found
          .get(host)
          ?.findings.find(({ subject, details }) => subject?.endsWith(`/${kind}`) && details?.['outcome'] !== undefined)
          ?.details?.['outcome'];
      for (const { a, b, connects } of NAT_PAIRS)
        for (const [own, peer] of [
          [a, b],
          [b, a],
        ] as const) {
          const host = Object.keys(KINDS).find((name) => KINDS[name] === own) ?? '';
          assert.equal(outcome(host, peer), connects ? 'connects' : 'cannot', `${own} to ${peer}`);
        }
    });

    await t.test('what cannot work is a fault with what would change it, what should work is none', () => {
      const verdicts = (found.get('symm')?.findings ?? []).filter(({ details }) => details?.['outcome'] !== undefined);
      assert.equal(verdicts.length, CODES.length);
      for (const { details, verdict, remedy } of verdicts) {
        assert.equal(verdict, details?.['outcome'] === 'cannot' ? 'fault' : 'note');
        assert.match(remedy ?? '', details?.['outcome'] === 'cannot' ? /keep the port|forward/ : /start stunmesh here/);
      }
    });
  },
);
