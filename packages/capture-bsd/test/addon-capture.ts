/** A capture module by /dev/bpf for daemons in tests, which name this file in their configuration: the device is emulated. */
import { createCapture } from '#src/index.js';
import { emulatedAddon } from './addon-lab.js';

export default createCapture({ reader: 'bpf', addonPath: emulatedAddon() });
