/** Store module "file": one file per key in a folder, which several machines may share. */
import { isAbsolute } from 'node:path';
import { type StoreModule, type StoreTraits, StunmeshError } from '@stunmesh/core/api';
import { createFileStore, MAX_VALUE } from './file-store.js';

export interface FileStoreConfig {
  /** The folder, as an absolute path. Made with mode 0700 by the first write if it is not there. */
  readonly path: string;
  /** The mode of records, in octal: "0644". Absent: the read and write bits of the folder. */
  readonly mode?: string;
}

/** Reading a file costs next to nothing; polling twice a second is fine. */
const TRAITS: StoreTraits = { maxValueBytes: MAX_VALUE, minPollMs: 500 };

const fileStoreModule: StoreModule<FileStoreConfig> = {
  kind: 'store',
  apiVersion: 1,
  name: 'file',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    required: ['path'],
    properties: {
      path: { type: 'string', minLength: 1, description: 'The folder of the records, as an absolute path.' },
      mode: {
        type: 'string',
        pattern: '^0?6[0246][0246]$',
        description: 'The mode of records. Default: the read and write bits of the folder.',
        'x-allowed': 'an octal mode in which the owner may read and write, such as "0640" or "0644"',
      },
    },
  },
  traits: () => TRAITS,
  async open({ path, mode }, { clock, logger }) {
    if (!isAbsolute(path)) {
      throw new StunmeshError(
        'ERR_CONFIG_INVALID',
        `path "${path}" is relative; write an absolute one, such as /var/lib/stunmesh/records`,
        { details: { key: 'path' } },
      );
    }
    return createFileStore({ path, clock, logger, ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }) });
  },
};

export default fileStoreModule;
