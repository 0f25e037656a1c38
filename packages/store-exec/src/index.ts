/** Store module "exec": a program in any language keeps the records, one process a call or one for all; serves `type: exec` and `type: shell`. */
import {
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

/** The module, and the bare program behind an instance, which the conformance cases of exec plugins look at. */
export interface ExecStoreModule extends StoreModule<ExecStoreConfig> {
  probe(config: ExecStoreConfig, components: Pick<StoreComponents, 'clock'>): Probe;
}

const execStoreModule: ExecStoreModule = {
  kind: 'store',
  apiVersion: 1,
  name: 'exec',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'command'],
    properties: {
      type: { type: 'string', enum: ['exec', 'shell'], description: 'The protocol: JSON, or lines for a shell.' },
      protocol: { type: 'integer', enum: [0, 1], description: 'The exec protocol that the program speaks.' },
      command: { type: 'string', minLength: 1, description: 'The program, by path or by name in PATH.' },
      args: { type: 'array', items: { type: 'string' }, description: 'Its arguments.' },
      env: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'Variables to add to its environment.',
      },
      env_clear: { type: 'boolean', default: false, description: 'Start it with no environment but `env`.' },
    },
  },
  traits: () => TRAITS,
  open: async (config, components) => openStore(config, components),
  probe: openProbe,
};

function openStore(config: ExecStoreConfig, components: StoreComponents): Store {
  if (config.protocol !== 1) return createExecStore(config, components);
  if (config.type === 'exec') return createPluginStore(config, { ...components, random: Math.random });
  throw new StunmeshError('ERR_CONFIG_INVALID', '"protocol: 1" is for type: exec; the shell protocol has no versions');
}

export default execStoreModule;
