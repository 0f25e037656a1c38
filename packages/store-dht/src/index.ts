/** Store module "dht": records in the Mainline DHT, where nobody needs an account (BEP 5, BEP 44). */
import type { StoreModule, StoreTraits } from '@stunmesh/core/api';
import { createBootstraps, DEFAULT_BOOTSTRAP, parseBootstrap } from './bootstraps.js';
import { openPlainDatagrams, resolvePlainly } from './datagrams.js';
import { createDhtStore, MOST_VALUE_BYTES } from './dht-store.js';
import { createGoodNodes } from './good-nodes.js';
import { createRpc } from './rpc.js';
import { LIFETIME_MS } from './slot.js';

export interface DhtStoreConfig {
  /** Nodes to enter the network by, as "host:port". Default: two public ones. */
  readonly bootstrap?: readonly string[];
}

/** F67: soon at first, every five seconds for ten minutes, every thirty after that. */
const TRAITS: StoreTraits = {
  maxValueBytes: MOST_VALUE_BYTES * 2,
  minPollMs: 30_000,
  pollSchedule: [
    { untilMs: 4_000, everyMs: 2_000 },
    { untilMs: 7_000, everyMs: 3_000 },
    { untilMs: 600_000, everyMs: 5_000 },
  ],
  expiresAfterMs: LIFETIME_MS,
};

const dhtStoreModule: StoreModule<DhtStoreConfig> = {
  kind: 'store',
  apiVersion: 1,
  name: 'dht',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      bootstrap: {
        type: 'array',
        minItems: 1,
        maxItems: 16,
        items: { type: 'string', minLength: 1 },
        description: 'Nodes to enter the DHT by, each as "host:port". Default: two public ones.',
      },
    },
  },
  traits: () => TRAITS,
  async open({ bootstrap = DEFAULT_BOOTSTRAP }, components) {
    const { clock, logger } = components;
    const nodes = bootstrap.map(parseBootstrap);
    return createDhtStore({
      clock,
      logger,
      rpc: createRpc({ clock, openDatagrams: components.openDatagrams ?? openPlainDatagrams }),
      bootstraps: createBootstraps(nodes, { clock, resolve: components.resolve ?? resolvePlainly }),
      goodNodes: createGoodNodes(components.stateFolder?.bind(components)),
      secretFor: (key) => components.secretFor?.(key),
    });
  },
};

export default dhtStoreModule;
