/** A second daemon of a device, whatever its run_dir: found by the lock of the state. */
import { testCases } from './cases.js';
import { snapshotOf } from './harness.js';

const holds = (pid: number) => async (path: string) => (path === '/var/lib/stunmesh/wg0.lock' ? pid : undefined);

testCases([
  {
    what: 'F38 a second daemon whose socket is not seen here',
    change: (p) => {
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 11));
      p.system.lockHolder = holds(12);
    },
    named: ['daemon', 'fault', /^process 12 serves this device as well, .* it holds \/var\/lib\/stunmesh\/wg0\.lock$/],
    remedy: /stop that process/,
    code: 'ERR_LOCKED',
  },
  {
    what: 'F38 the only daemon, where its socket is not seen here',
    change: (p) => {
      p.system.lockHolder = holds(12);
    },
    named: [
      'daemon',
      'warning',
      /^process 12 serves this device, with another run_dir or in another network namespace/,
    ],
    remedy: /nsenter -n -t 12/,
  },
  {
    what: 'F38 the one daemon that holds its own lock',
    change: (p) => {
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 11));
      p.system.lockHolder = holds(11);
    },
    named: ['daemon', 'ok', /runs as process 11/],
  },
]);
