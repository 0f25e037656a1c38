/** Discovery names every kind of NAT from WireGuard's own port, and what it foretells of each pair is what the grid shows to happen. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Host, type Lab, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { NAT_PAIRS } from '../lab/steps/nat-pairs.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const PROBE = join(REPOSITORY, 'test/fixtures/nat-probe.mjs');
/** One with two addresses, which answers CHANGE-REQUEST, and a plain one. */
const BOTH_KINDS = ['203.0.113.1:3478', '203.0.113.3:3478'];
const PLAIN = ['203.0.113.3:3478', '203.0.113.4:3478'];
const EI = 'endpoint-independent';
const APD = 'address-and-port-dependent';

/** What the fixture prints of a NatBehaviour. */
interface Found {
  readonly mapping: string;
  readonly filtering: string;
  readonly cgnat: boolean;
  readonly doubleNat?: boolean;
  readonly portPreserving: boolean;
  readonly how: string;
  readonly mapped: { readonly address: string; readonly port: number };
  readonly reasons: readonly string[];
}

interface Verdicts {
  pairVerdict(own: { ipv4: Found }, peer: { ipv4: Found }): { readonly outcome: string; readonly words: string };
  natKind(found: Found): string;
}

/** doctor's own words for what was found. */
async function loadVerdicts(): Promise<Verdicts> {
  const load = (file: string) => import(pathToFileURL(join(REPOSITORY, 'packages/core/dist/doctor', file)).href);
  const [{ pairVerdict }, { natKind }] = await Promise.all([load('verdicts/pair.js'), load('pair.js')]);
  return { pairVerdict, natKind };
}

async function probe(host: Host, servers: readonly string[], family: 4 | 6 = 4): Promise<Found> {
  const argv = [process.execPath, PROBE, host.device, String(host.plan.listenPort), String(family), ...servers];
  const result = await host.exec(argv, { timeoutMs: 60_000 });
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

function probeAll(lab: Lab, servers: readonly string[], names: readonly string[]): Promise<Found[]> {
  return Promise.all(names.map((name) => probe(lab.host(name), servers)));
}

test('the table of pairs in docs/nat-guide.md is the one that the grid shows', () => {
  const guide = readFileSync(join(REPOSITORY, 'docs/nat-guide.md'), 'utf8');
  const rows = guide
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  for (const { a, b, connects } of NAT_PAIRS) {
    const column = rows.find(([, first, second]) => first === '' && second === 'none')?.indexOf(b) ?? -1;
    const row = rows.find((cells) => cells[1] === a && ['yes', 'no'].includes(cells[2] ?? ''));
    // What the grid's pairs do in its seconds; a search takes minutes, and finds only ports that can be foretold.
    const searched = [a, b].includes('symmetric') && [a, b].includes('port-restricted');
    assert.equal(row?.[column], connects ? 'yes' : searched ? 'search' : 'no', `${a} and ${b}`);
  }
});

labTest(
  "every kind of NAT is named from WireGuard's port, and the 15 pairs are foretold as the grid shows them",
  {
    sides: {
      none: { nats: ['none'], ipv6: 'open' },
      full: { nats: ['full'], ipv6: 'stateful' },
      restr: { nats: ['restricted'] },
      portr: { nats: ['port-restricted'] },
      symm: { nats: ['symmetric'] },
      twice: { nats: ['port-restricted', 'port-restricted'] },
      mixed: { nats: ['full', 'symmetric'] },
    },
    coturn: [1, 2],
  },
  async (lab, t) => {
    await Promise.all([lab.startCoturn([3]), lab.startCoturn([4])]);
    const { pairVerdict, natKind } = await loadVerdicts();
    const names = ['none', 'full', 'restr', 'portr', 'symm', 'twice', 'mixed'];
    const kinds = ['none', 'full', 'restricted', 'port-restricted', 'symmetric', 'port-restricted', 'symmetric'];
    const found = await probeAll(lab, BOTH_KINDS, names);

    await t.test('each kind, double NAT, port preservation and the reflexive address', () => {
      assert.deepEqual(found.map(natKind), kinds);
      assert.deepEqual(
        found.map((f) => f.doubleNat),
        [false, false, false, false, false, true, true],
      );
      assert.deepEqual(
        found.map((f) => f.portPreserving),
        [true, false, false, true, false, true, false],
      );
      for (const [i, name] of names.entries()) {
        const { plan, publicAddress } = lab.host(name);
        assert.equal(found[i]?.mapped.address, name === 'none' ? plan.hostAddress : publicAddress, name);
      }
      assert.equal(found[4]?.how, 'rfc5780');
    });

    await t.test('each of the 15 pairs', () => {
      assert.equal(NAT_PAIRS.length, 15);
      for (const { a, b, connects } of NAT_PAIRS) {
        const [one, two] = [found[kinds.indexOf(a)], found[kinds.indexOf(b)]];
        assert.ok(one && two);
        for (const verdict of [pairVerdict({ ipv4: one }, { ipv4: two }), pairVerdict({ ipv4: two }, { ipv4: one })])
          assert.equal(verdict.outcome, connects ? 'connects' : 'cannot', `${a} and ${b}: ${verdict.words}`);
      }
    });

    await t.test(
      'asked again at once, while the NAT still holds open what the first questions opened, it is found to be the same',
      async () => {
        const again = await probeAll(lab, BOTH_KINDS, ['restr', 'portr', 'symm']);
        assert.deepEqual(again.map(natKind), ['restricted', 'port-restricted', 'symmetric']);
      },
    );

    await t.test('plain servers tell the mapping, and that filtering is not told', async () => {
      const plain = await probeAll(lab, PLAIN, names);
      assert.deepEqual(
        plain.map((f) => f.mapping),
        ['none', EI, EI, EI, APD, EI, APD],
      );
      for (const { filtering, reasons } of plain) {
        assert.equal(filtering, 'unknown');
        assert.match(reasons.join('\n'), /OTHER-ADDRESS/);
      }
    });

    await t.test("the project's own server with two addresses tells as much as coturn", async () => {
      const command = join(REPOSITORY, 'packages/core/dist/cli/main.js');
      const listen = ['--listen', '203.0.113.3:3500', '--listen', '203.0.113.4:3500'];
      const server = lab.spawn(lab.publicNamespace, [process.execPath, command, 'stun-server', ...listen]);
      await until(() => server.stdout.includes('203.0.113.4:3501'), { what: 'the STUN server' });
      const own = await Promise.all(
        ['none', 'symm', 'twice'].map((name) => probe(lab.host(name), ['203.0.113.3:3500'])),
      );
      assert.deepEqual(own.map(natKind), ['none', 'symmetric', 'port-restricted']);
      assert.equal(own[2]?.how, 'rfc5780');
    });

    await t.test('IPv6 is not translated; an open router is told from a stateful firewall', async () => {
      const servers = ['[2001:db8:ffff::1]:3478', '[2001:db8:ffff::3]:3478'];
      const six = await Promise.all(['none', 'full'].map((name) => probe(lab.host(name), servers, 6)));
      assert.deepEqual(
        six.map(({ mapping, filtering }) => ({ mapping, filtering })),
        [
          { mapping: 'none', filtering: EI },
          { mapping: 'none', filtering: APD },
        ],
      );
    });
  },
);

labTest(
  "F16 the questions disturb no working tunnel; where there is none the daemons tell each other's their NATs by their records",
  {
    sides: { a: { nats: ['port-restricted'] }, b: { nats: ['symmetric'] }, c: { nats: ['port-restricted'] } },
    coturn: [1, 2],
  },
  async (lab) => {
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    await lab.startCoturn([3]);
    await startAll([a, c], { stun: ['203.0.113.1:3478'] });
    await b.startDaemon({ stun: ['203.0.113.1:3478'], peers: ['a'] });
    await expectTunnel(a, c);
    const key = c.keys.publicKey;
    const endpoint = async () => (await a.deviceState()).peers.find((peer) => peer.publicKey === key)?.endpoint;
    const before = await endpoint();
    assert.ok(before !== undefined);
    const burst = a.pingBurst(c, 120, 0.05);
    const [found] = await Promise.all([probe(a, BOTH_KINDS), probe(c, BOTH_KINDS)]);
    assert.deepEqual([found?.mapping, found?.filtering], [EI, APD]);
    assert.deepEqual(await burst, { sent: 120, received: 120 });
    const learns = (host: Host, peer: string, code: string) =>
      host.daemons[0]?.waitFor(
        (snapshot) => snapshot.devices[0]?.peers.find(({ name, record }) => name === peer && record?.nat === code),
        { what: `a record that tells ${code}`, deadlineMs: 120_000 },
      );
    await Promise.all([learns(a, 'b', '4pp'), learns(b, 'a', '4ep')]);
    const friend = await a.daemons[0]?.peer('c');
    assert.equal(friend?.phase, 'connected');
    // One of the two sides sets it, the other one follows.
    assert.ok(friend.endpointWrites <= 1, `${friend.endpointWrites} endpoint writes`);
    assert.equal(await endpoint(), before);
    assert.deepEqual(await a.pingBurst(c, 20, 0.02), { sent: 20, received: 20 });
  },
  180_000,
);
