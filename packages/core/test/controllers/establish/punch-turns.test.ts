import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { createPunch, type PunchComponents } from '#src/controllers/establish/punch.js';
import { createReactionBudget } from '#src/peers/reaction-budget.js';
import { createMemoryLogger } from '#src/testing/index.js';
import { createHarness } from '../harness.js';

test('1,000 peers are punched by one socket, in slices', async () => {
  const { device } = createHarness();
  const [peer] = device.peers;
  assert.ok(peer);
  let [turns, sockets, sent] = [0, 0, 0];
  const { signal } = new AbortController();
  const clock = {
    now: () => 0,
    sleep: async () => {
      turns += 1;
    },
    deadline: () => ({ signal, [Symbol.dispose]: () => undefined }),
  };
  const agent = {
    async acquireForSending() {
      sockets += 1;
      return {
        send: async () => {
          sent += 1;
        },
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  };
  const facts = { listenPort: 51_820 };
  const components = { device: { ...device, facts }, clock, agent, logger: createMemoryLogger(), signal };
  const punch = createPunch(components as unknown as PunchComponents);
  const endpoint: Endpoint = { family: 4, address: '203.0.113.9', port: 51_820 };
  await punch.punchAll(
    Array.from({ length: 1_000 }, () => [{ ...peer, budget: createReactionBudget() }, [endpoint]] as const),
  );
  assert.deepEqual([turns, sockets, sent], [3, 1, 1_000]);
});
