/** WireGuard of the kernel as the capture module offers it (Linux: netlink): no process, and no wireguard-tools. */
import { type Clock, isStunmeshError, type KernelWireGuard, StunmeshError } from '../api/index.js';
import { deviceMissing, permissionMissing, privateKeyMissing, protocolError, subject } from './errors.js';
import type { WireGuardBackend } from './reading.js';

export function createKernelBackend(kernel: KernelWireGuard, clock: Clock): WireGuardBackend {
  /** Its failures in the words that all ways to WireGuard use. */
  async function worded<T>(device: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!isStunmeshError(error)) throw error;
      const { code, message, retry, details } = error;
      if (code === 'ERR_WG_DEVICE_NOT_FOUND') throw deviceMissing(device, message);
      if (code === 'ERR_WG_PERMISSION') throw permissionMissing(device);
      if (code === 'ERR_WG_PROTOCOL') throw protocolError(device, kernel.way, String(details['where']));
      if (code === 'ERR_WG_FAILED') throw new StunmeshError(code, `${subject(device)}: ${message}`, { retry, details });
      throw error;
    }
  }

  return {
    list: (options) => kernel.list(options),
    read: (names, { signal }) =>
      worded(names.name, async () => {
        const { keys, presharedKeys, ...device } = await kernel.read(names.realName, { signal, clock });
        if (!keys) throw privateKeyMissing(names.name);
        return { device: { ...names, ...keys, ...device, way: kernel.way }, presharedKeys };
      }),
    write: (names, writes, options) => worded(names.name, () => kernel.write(names.realName, writes, options)),
  };
}
