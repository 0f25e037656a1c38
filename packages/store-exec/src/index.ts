/** Store module "exec": a program in any language keeps the records, one process a call; serves `type: exec` and `type: shell`. */
import type { StoreModule, StoreTraits } from '@stunmesh/core/api';
import { createExecStore, type ExecStoreConfig } from './exec-store.js';

export type { ExecStoreConfig } from './exec-store.js';

/** A value and the JSON around it stay well below the 64 KiB that a child may print; each call costs a process. */
const TRAITS: StoreTraits = { maxValueBytes: 32_768, minPollMs: 1000 };

const execStoreModule: StoreModule<ExecStoreConfig> = {
  kind: 'store',
  apiVersion: 1,
  name: 'exec',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'command'],
    properties: {
      type: { type: 'string', enum: ['exec', 'shell'], description: 'The protocol: JSON, or lines for a shell.' },
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
  open: async (config, { clock, logger }) => createExecStore(config, { clock, logger }),
};

export default execStoreModule;
