import { after, test } from 'node:test';
import { storeCases } from '@stunmesh/core/conformance';
import { openPlainDatagrams } from '#src/datagrams.js';
import dhtStore from '#src/index.js';
import { openNetwork, openStore } from './lab/network.js';

const network = await openNetwork(30);
after(() => network[Symbol.asyncDispose]());

const cases = storeCases({
  open: () => network.open(),
  openUnreachable: (given) => openStore(1, given),
  openWith: (given) => network.open(given),
  hidesRecords: true,
  datagrams: openPlainDatagrams,
  traits: dhtStore.traits({}),
  many: 8,
  patienceMs: 10_000,
});
for (const each of cases)
  test(`store-dht, 30 nodes on loopback: ${each.name}`, async (t) => {
    const result = await each.run();
    if (result) t.diagnostic(`does not apply: ${result.skipped}`);
  });
