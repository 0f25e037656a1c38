/** Which way leads to a device: its userspace socket where one answers, else the kernel itself, else wg(8). */
import { readFile } from 'node:fs/promises';
import { type Clock, hasCode, type KernelWireGuard, type Logger, type StunmeshError } from '../api/index.js';
import { createKernelBackend } from './kernel.js';
import { explainOtherKind, type KindPlaces } from './other-kinds.js';
import type { WireGuardBackend } from './reading.js';

export interface CombinedOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly uapi: WireGuardBackend;
  /** Asked once, when it is first needed; undefined, or a rejection: wg(8) controls the kernel's devices. */
  readonly kernel?: () => Promise<KernelWireGuard | undefined>;
  readonly tool: WireGuardBackend;
  readonly kinds?: KindPlaces | undefined;
}

/** The kernel cannot be asked from here at all: its addon does not load, or the socket is denied. */
const NO_WAY = ['ERR_CAPTURE_ADDON', 'ERR_CAPTURE_OPEN', 'ERR_CAPTURE_PERMISSION'] as const;

export function createCombinedBackend(options: CombinedOptions): WireGuardBackend {
  const { logger, uapi, tool, kinds } = options;
  const kernel = createKernelWay(options);

  /** A socket that is absent or dead leaves the device to the kernel. */
  async function first<T>(name: string, call: (backend: WireGuardBackend) => Promise<T>): Promise<T> {
    const explain = async (error: unknown): Promise<never> => {
      throw (hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND') && (await explainOtherKind(name, kinds))) || error;
    };
    try {
      return await call(uapi);
    } catch (error) {
      if (hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND')) return await kernel(call).catch(explain);
      if (!hasCode(error, 'ERR_WG_PERMISSION')) throw error;
      // The folder alone may be closed to us while CAP_NET_ADMIN opens a kernel device.
      return await kernel(call).catch(() => {
        throw error;
      });
    }
  }

  return {
    async list(o) {
      const [sockets, here] = await Promise.all([uapi.list(o), interfacesHere()]);
      let names: readonly string[] = [];
      try {
        names = await kernel((backend) => backend.list(o));
      } catch (error) {
        if (!hasCode(error, 'ERR_WG_NOT_FOUND') || sockets.length === 0) throw error;
        logger.debug({ error }, 'wg(8) is missing: only devices with a userspace socket are listed');
      }
      const all = [...new Set([...sockets, ...names])].sort();
      return here ? all.filter((name) => here.has(name)) : all;
    },
    read: (device, o) => first(device.realName, (backend) => backend.read(device, o)),
    write: (device, writes, o) => first(device.realName, (backend) => backend.write(device, writes, o)),
  };

  /** Runs a call by the kernel itself, or by wg(8) where that cannot be. */
  function createKernelWay({ clock, kernel: load = async () => undefined }: CombinedOptions) {
    let loading: Promise<WireGuardBackend | undefined> | undefined;
    let told = false;
    const leave = (error: unknown): undefined => {
      const level = told ? 'debug' : 'info';
      told = true;
      logger[level]({ error: error as StunmeshError }, "the kernel's WireGuard cannot be asked from here: wg(8) is");
      return undefined;
    };
    return async <T>(call: (backend: WireGuardBackend) => Promise<T>): Promise<T> => {
      loading ??= load().then((found) => found && createKernelBackend(found, clock), leave);
      const backend = await loading;
      if (!backend) return await call(tool);
      try {
        return await call(backend);
      } catch (error) {
        if (!NO_WAY.some((code) => hasCode(error, code))) throw error;
        leave(error);
        return await call(tool);
      }
    };
  }
}

/** Interfaces of this network namespace, since the sockets' folder is shared by all; undefined where there are no namespaces. */
async function interfacesHere(): Promise<ReadonlySet<string> | undefined> {
  try {
    const lines = (await readFile('/proc/self/net/dev', 'utf8')).split('\n').slice(2);
    return new Set(lines.map((line) => line.slice(0, line.indexOf(':')).trim()));
  } catch {
    return undefined;
  }
}
