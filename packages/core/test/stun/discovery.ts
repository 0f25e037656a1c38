/** A discovery on the fake network and the fake clock, with what every test of it needs. */
import assert from 'node:assert/strict';
import { StunmeshError } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import type { AgentParts } from '#src/stun/agent.js';
import { errorCodeAttribute } from '#src/stun/attributes.js';
import { type DiscoverOptions, type Discovery, discover } from '#src/stun/discover.js';
import { createFakeClock } from '#src/testing/index.js';
import {
  agentOver,
  type Behaviour,
  createFakeNetwork,
  LISTEN_PORT,
  type Outcome,
  reply,
  watch,
} from './fake-network.js';

export const MAPPED = '203.0.113.7:40001';
export const A = '198.51.100.1:3478';
export const B = '198.51.100.2:3478';
export const C = '198.51.100.3:3478';
export const D = '198.51.100.4:3478';
export const E = '198.51.100.5:3478';

export const refusing: Behaviour = (request) => [
  { bytes: reply(request, [errorCodeAttribute({ code: 500, reason: 'Server Error' })], 'error'), afterMs: 10 },
];

export function setUp(
  servers: Readonly<Record<string, Behaviour>>,
  { openSocket, ...options }: Partial<DiscoverOptions> & { readonly openSocket?: AgentParts['openSocket'] } = {},
) {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock);
  for (const [address, behaviour] of Object.entries(servers)) network.add(address, behaviour);
  const abort = new AbortController();
  const go = () =>
    watch(
      discover({
        family: 4,
        listenPort: LISTEN_PORT,
        servers: Object.keys(servers),
        agent: agentOver(clock, openSocket ?? network.openSocket),
        resolve: (host) => Promise.reject(new StunmeshError('ERR_RESOLVE', `${host} is not known`)),
        ownAddresses: ['192.168.1.2'],
        clock,
        signal: abort.signal,
        ...options,
      }),
      clock,
    );
  const run = async (ms = 10_000): Promise<Outcome<Discovery>> => {
    const outcome = go();
    await clock.advance(ms);
    assert.equal(network.sockets.open, 0, 'the socket is closed');
    assert.equal(clock.pending, 0, 'no timer is left');
    return outcome;
  };
  return { clock, network, abort, go, run };
}

export const published = (outcome: Outcome<Discovery>) => outcome.value && formatEndpoint(outcome.value.endpoint);
