/** Store module "exec": a program in any language keeps the records, one process a call or one for all; serves `type: exec` and `type: shell`. */
import {
  EXEC_PLUGIN_SCHEMA,
  type Store,
  type StoreComponents,
  type StoreModule,
  type StoreTraits,
  StunmeshError,
} from '@stunmesh/core/api';
import type { ExecStoreConfig } from './exec-config.js';
import { createExecStore } from './exec-store.js';
import { MAX_VALUE } from './messages.js';
import { createPluginStore } from './plugin-store.js';
import { openProbe, type Probe } from './probe.js';

export type { ExecStoreConfig } from './exec-config.js';

/** A value and the JSON around it stay well below the 64 KiB that a child may print; each call costs a process. */
const TRAITS: StoreTraits = { maxValueBytes: MAX_VALUE, minPollMs: 1000 };
/** The longest record that programs older than this one write themselves: what a plugin and readers of theirs take is not known. */
const OLD_RECORD = 258;
const OLD_TRAITS: StoreTraits = { ...TRAITS, maxValueBytes: OLD_RECORD, maxLongValue: MAX_VALUE };

/** The module, and the bare program behind an instance, which the conformance cases of exec plugins look at. */
export interface ExecStoreModule extends StoreModule<ExecStoreConfig> {
  probe(config: ExecStoreConfig, components: Pick<StoreComponents, 'clock' | 'secretVariables'>): Probe;
}

const execStoreModule: ExecStoreModule = {
  kind: 'store',
  apiVersion: 1,
  name: 'exec',
  configSchema: EXEC_PLUGIN_SCHEMA,
  traits: ({ protocol, parallel = protocol === 1 ? undefined : 1 }) => ({
    ...(protocol === 1 ? TRAITS : OLD_TRAITS),
    ...(parallel === undefined ? {} : { maxCalls: parallel }),
  }),
  open: async (config, components) => openStore(config, components),
  probe: openProbe,
};

function openStore(config: ExecStoreConfig, components: StoreComponents): Store {
  if (config.protocol !== 1) return createExecStore(config, components);
  if (config.type === 'exec') return createPluginStore(config, { ...components, random: Math.random });
  throw new StunmeshError('ERR_CONFIG_INVALID', '"protocol: 1" is for type: exec; the shell protocol has no versions', {
    details: { key: 'protocol' },
  });
}

export default execStoreModule;
