/** What must not happen to tunnels that are well, as counts: the tests and the bench hold each to zero. */

import { type Host, type Lab, type LabSpec, must, sleep, until } from '../../lab/index.js';
import { expectTunnel } from '../../lab/steps/pair.js';
import { keepEvents, pinging, settledPair, storeCalls } from './healing.js';

export interface Count {
  readonly what: string;
  readonly value: number;
}

export interface Counting {
  readonly spec: LabSpec;
  /** Each value has to be 0. */
  count(lab: Lab): Promise<readonly Count[]>;
}

const refreshed = (times: number): string => `endpoint writes to a healthy tunnel in ${times} refreshes`;

/** Endpoint writes and changes of phase on both sides, pings every second going on. */
export function healthyRefreshes(times: number): Counting {
  return {
    spec: { sides: { a: {}, b: {} }, coturn: [1, 2] },
    async count(lab) {
      const options = { refreshInterval: '1s', ...pinging([...lab.hosts.values()], '1s') };
      const { a, b, daemonA, daemonB } = await settledPair(lab, options);
      const writes = async (): Promise<number> => {
        const peers = [await daemonA.peer('b'), await daemonB.peer('a')];
        return peers.reduce((sum, peer) => sum + peer.endpointWrites + peer.renewals, 0);
      };
      const before = await writes();
      using log = await keepEvents(daemonA);
      await until(() => log.of('refreshed').length >= times, { deadlineMs: times * 3000, what: refreshed(times) });
      const { sent, received } = await a.pingBurst(b, 20, 0.02);
      return [
        { what: refreshed(times), value: (await writes()) - before },
        { what: 'changes of phase meanwhile', value: log.of('phase').length },
        { what: 'pings lost afterwards, of 20', value: sent - received },
      ];
    },
  };
}

const SYMMETRIC_AND_OPEN: LabSpec = {
  sides: { a: { nats: ['none'] }, b: { nats: ['symmetric'], wireguard: { keepaliveSeconds: 25 } } },
  coturn: [1, 2],
};

/** The record names another port than the tunnel uses. */
export function symmetricPings(pings: number): Counting {
  return {
    spec: SYMMETRIC_AND_OPEN,
    async count(lab) {
      const { a, b } = await settledPair(lab, { refreshInterval: '5s' });
      const { sent, received } = await a.pingBurst(b, pings, 0.1);
      return [{ what: `pings lost, symmetric host and open host, refresh 5 s, of ${pings}`, value: sent - received }];
    },
  };
}

/** Nobody uses the tunnel while the symmetric side's record changes. */
export function symmetricIdle(changes: number): Counting {
  return {
    spec: SYMMETRIC_AND_OPEN,
    async count(lab) {
      const [a, b] = [lab.host('a'), lab.host('b')];
      const daemon = await a.startDaemon();
      await b.startDaemon({ refreshInterval: '1s' });
      await expectTunnel(a, b);
      await sleep(1500);
      const before = await daemon.peer('b');
      using log = await keepEvents(daemon);
      for (let seen = 0; seen < changes; ) seen = await changeRecord(b, seen, () => ports(log.of('record', 'b')));
      const after = await daemon.peer('b');
      const { received } = await a.pingBurst(b, 1, 0.2);
      return [
        {
          what: `endpoint writes while an idle symmetric host's record changes ${changes} times`,
          value: after.endpointWrites + after.renewals - before.endpointWrites - before.renewals,
        },
        { what: 'changes of phase meanwhile', value: log.of('phase').length },
        { what: 'first pings of the open side lost afterwards', value: 1 - received },
      ];
    },
  };
}

function ports(records: readonly { readonly [member: string]: unknown }[]): number {
  return new Set(records.map((record) => record['ipv4'])).size;
}

/** Its NAT forgets the mapping towards the STUN servers, so that the next discovery sees another port. */
async function changeRecord(host: Host, before: number, seen: () => number): Promise<number> {
  await must(host.plan.routers[0]?.namespace, ['conntrack', '-D', '-p', 'udp', '--dport', '3478']);
  return until(() => seen() > before && seen(), { what: 'another change of the record' });
}

/** Own keepalive 25, the other's 0: nothing is heard of it for as long as nobody uses the tunnel. */
export function quietPeer(idleMs: number): Counting {
  return {
    spec: { sides: { a: { wireguard: { keepaliveSeconds: 25 } }, b: {} }, coturn: [1, 2] },
    async count(lab) {
      const { a, b, daemonA, daemonB } = await settledPair(lab, { refreshInterval: '1h' });
      const calls = async (): Promise<number> => (await storeCalls(daemonA)) + (await storeCalls(daemonB));
      const before = await calls();
      using logA = await keepEvents(daemonA);
      using logB = await keepEvents(daemonB);
      await sleep(idleMs);
      const after = await calls();
      const suspects = [...logA.of('phase'), ...logB.of('phase')].filter((event) => event['to'] === 'suspect');
      const { sent, received } = await b.pingBurst(a, 3, 0.2);
      const idle = `own keepalive 25, the other's 0, idle for ${idleMs / 1000} s`;
      return [
        { what: `suspects, ${idle}`, value: suspects.length },
        { what: 'store calls meanwhile', value: after - before },
        { what: 'pings lost afterwards, of 3', value: sent - received },
      ];
    },
  };
}
