/** A capture module as it is on macOS, for daemons in tests, which name this file in their configuration. */
import { createCapture } from '#src/index.js';
import { foreignAddon } from './addon-lab.js';

export default createCapture({ reader: 'bpf', addonPath: foreignAddon('macos') });
