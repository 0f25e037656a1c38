/** Store module "redis": records in Redis, on one server, behind Sentinel or in a Cluster. */
import process from 'node:process';
import type { StoreModule, StoreTraits } from '@stunmesh/core/api';
import { CONFIG_SCHEMA, type RedisStoreConfig } from './config-schema.js';
import { createRedisStore } from './redis-store.js';
import { parseSettings, ttlOf } from './settings.js';

export type { RedisStoreConfig, SentinelsConfig } from './config-schema.js';

/** Redis takes far more; a record needs far less. */
const TRAITS: StoreTraits = { maxValueBytes: 65_536, minPollMs: 500 };

const redisStoreModule: StoreModule<RedisStoreConfig> = {
  kind: 'store',
  apiVersion: 1,
  name: 'redis',
  configSchema: CONFIG_SCHEMA,
  traits({ ttl }) {
    const expiresAfterMs = ttlOf(ttl);
    return { ...TRAITS, ...(expiresAfterMs === undefined ? {} : { expiresAfterMs }) };
  },
  async open(config, { clock, logger, connect }) {
    const settings = parseSettings(config, process.env);
    return createRedisStore({ settings, clock, logger, ...(connect ? { connect } : {}) });
  },
};

export default redisStoreModule;
