/** The published cases over the stand-in API, bare and behind the host's guard. */
import { after, test } from 'node:test';
import { storeCases } from '@stunmesh/core/conformance';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import cloudflareStore from '#src/index.js';
import { startApiServer, TOKEN, ZONE } from './lab/api-server.js';

const api = await startApiServer();
after(() => api[Symbol.asyncDispose]());

const components = { clock: createSystemClock(), logger: createMemoryLogger() };
const config = { zone: ZONE, subdomain: 'wg', token: TOKEN, api: api.url };
const cases = storeCases({
  open: () => cloudflareStore.open(config, components),
  openUnreachable: (given) =>
    cloudflareStore.open({ ...config, api: 'http://127.0.0.1:1' }, { ...components, ...given }),
  openWith: (given) => cloudflareStore.open(config, { ...components, ...given }),
  traits: cloudflareStore.traits(config),
});

for (const { name, run } of cases) {
  test(`store-cloudflare: ${name}`, async (t) => {
    const result = await run();
    if (result) t.diagnostic(`does not apply: ${result.skipped}`);
  });
}
