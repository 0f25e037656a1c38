/** Tunnels that count as connected and are not well: doctor's own pings find the size that passes, and a path that is open one way only. */
import assert from 'node:assert/strict';
import { type Host, must } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { doctorConfig, examine, expectNamed } from './steps/doctoring.js';

/** Outer packets: with the headers of IP, UDP and WireGuard (60 bytes) and padding to 16 an inner one of 1,328 is the last that fits. */
const LARGEST_OUTER = 1_400;
const LARGEST_INNER = 1_328;

/** A rule for what the host's router passes on, without a word to anybody. */
async function dropAtRouter(host: Host, rule: string): Promise<() => Promise<unknown>> {
  const { namespace } = host.plan.routers[0] ?? assert.fail('no router');
  const input = `table inet narrow { chain through { type filter hook forward priority -20; ${rule} drop; }; }\n`;
  await must(namespace, ['nft', '-f', '-'], { input });
  return () => must(namespace, ['nft', 'delete', 'table', 'inet', 'narrow']);
}

labTest(
  'doctor names the MTU where large packets are lost in silence, and calls no tunnel well that is open one way only',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const daemons = await startAll([a, b]);
    await expectTunnel(a, b);
    const config = await doctorConfig(lab, a);

    await t.test('a link on the way that is narrower than the tunnel', async () => {
      const widen = await dropAtRouter(b, `meta length gt ${LARGEST_OUTER}`);
      const found = await examine(a, config);
      expectNamed(found, {
        check: 'peer',
        verdict: 'fault',
        text: new RegExp(`^packets of up to ${LARGEST_INNER} bytes pass to \\S+ and back, larger ones are lost`),
        remedy: new RegExp(`MTU of the device to ${LARGEST_INNER} on both sides`),
      });
      assert.equal(found.code, 2);
      for (const host of [a, b])
        await must(host.namespace, ['ip', 'link', 'set', host.device, 'mtu', String(LARGEST_INNER)]);
      const after = await examine(a, config, { args: [a.device, 'b'] });
      const said = after.findings.filter(({ text }) => /^packets of/.test(text));
      assert.deepEqual(
        said.map(({ verdict }) => verdict),
        ['ok'],
      );
      assert.match(said[0]?.text ?? '', new RegExp(`^packets of full size \\(${LARGEST_INNER} bytes\\) pass`));
      await widen();
    });

    await t.test('what we send is lost, and nothing comes back: without a daemon, too', async () => {
      await Promise.all(daemons.map((daemon) => daemon.stop()));
      await dropAtRouter(b, 'udp dport 51820');
      expectNamed(await examine(a, config, { args: ['--no-store-write'] }), {
        check: 'peer',
        verdict: 'fault',
        text: /^3 pings to \S+ unanswered, and nothing at all came back within 11 s$/,
        remedy: /on both hosts/,
      });
    });
  },
);
