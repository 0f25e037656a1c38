/** A diversion leads WireGuard's packets around whatever stands on the host, and `stunmesh cleanup` leaves nothing of it. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { divertBeside, EACH, faultOf } from './steps/diverting.js';

labTest(
  'F49 diverted pings all come back beside a firewall, a masquerade, and a WireGuard that sent before; cleanup takes the rules out',
  { sides: { a: { wireguard: { keepaliveSeconds: 1 } }, b: { wireguard: { keepaliveSeconds: 1 } } } },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const seen = await divertBeside(EACH, {
      from: a,
      to: b,
      setEndpoint: (host, peer, endpoint) => host.setEndpoint(peer, endpoint),
      expectPing: async (from, to) => assert.ok((await from.firstPing(to)) !== undefined, 'no ping'),
      slow: 1,
    });
    assert.deepEqual(seen.map(faultOf).filter(Boolean), []);
  },
);
