/** WireGuard control of this host: per device the userspace socket where one answers, else wg(8). */
import { readFile } from 'node:fs/promises';
import {
  type CallOptions,
  type Clock,
  hasCode,
  type Logger,
  StunmeshError,
  type WireGuardControl,
} from '../api/index.js';
import { createControl } from './control.js';
import { explainOtherKind, type KindPlaces } from './other-kinds.js';
import type { WireGuardBackend } from './reading.js';
import { readGivenNames, readRealName } from './real-name.js';
import { createUapiBackend } from './uapi.js';
import { createWgToolBackend } from './wg-tool.js';

export * from './writes.js';

const UAPI_DIR = '/var/run/wireguard';

export interface OpenWireGuardOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Folder of the userspace sockets NAME.sock; /var/run/wireguard by default. */
  readonly uapiDir?: string;
  /** wg(8): a name in PATH or an absolute path; "wg" by default. */
  readonly wgCommand?: string;
  /** Where devices of other kinds are seen. */
  readonly kinds?: KindPlaces;
}

/** No I/O happens before the first call (F32). Closing ends what is under way with ERR_CLOSED, waits for it (a renewal that has begun is finished), and later calls reject. */
export function openWireGuardControl(options: OpenWireGuardOptions): WireGuardControl & AsyncDisposable {
  const { clock, uapiDir = UAPI_DIR, wgCommand = 'wg' } = options;
  const uapi = createUapiBackend({ clock, dir: uapiDir });
  const tool = createWgToolBackend({ clock, command: wgCommand });
  const running = new Map<Promise<unknown>, AbortController>();
  let closed: StunmeshError | undefined;
  const control = createControl({
    backend: createCombinedBackend(uapi, tool, options),
    clock,
    realName: (name) => readRealName(uapiDir, name),
  });
  /** A call that ends with the caller's signal or with this control. */
  async function bounded<T>(signal: AbortSignal, call: (o: CallOptions) => Promise<T>): Promise<T> {
    if (closed) throw closed;
    signal.throwIfAborted();
    const either = new AbortController();
    const onAbort = () => either.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const answer = call({ signal: either.signal });
    running.set(answer, either);
    try {
      return await answer;
    } finally {
      running.delete(answer);
      signal.removeEventListener('abort', onAbort);
    }
  }
  return {
    devices: ({ signal }) =>
      bounded(signal, async (o) => {
        const [names, given] = await Promise.all([control.devices(o), readGivenNames(uapiDir)]);
        return names.map((name) => given.get(name) ?? name).sort();
      }),
    device: (name, { signal }) => bounded(signal, (o) => control.device(name, o)),
    setPeerEndpoints: (name, endpoints, { signal }) =>
      bounded(signal, (o) => control.setPeerEndpoints(name, endpoints, o)),
    renewPeer: (name, peer, endpoint, { signal }) => bounded(signal, (o) => control.renewPeer(name, peer, endpoint, o)),
    setPeerKeepalive: (name, peer, seconds, { signal }) =>
      bounded(signal, (o) => control.setPeerKeepalive(name, peer, seconds, o)),
    async [Symbol.asyncDispose]() {
      closed ??= new StunmeshError('ERR_CLOSED', 'WireGuard control is closed');
      for (const controller of running.values()) controller.abort(closed);
      await Promise.allSettled(running.keys());
    },
  };
}

function createCombinedBackend(
  uapi: WireGuardBackend,
  tool: WireGuardBackend,
  { logger, kinds }: OpenWireGuardOptions,
): WireGuardBackend {
  /** A socket that is absent or dead leaves the device to wg(8), which knows the kernel's devices. */
  async function first<T>(name: string, call: (backend: WireGuardBackend) => Promise<T>): Promise<T> {
    const explain = async (error: unknown): Promise<never> => {
      throw (hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND') && (await explainOtherKind(name, kinds))) || error;
    };
    try {
      return await call(uapi);
    } catch (error) {
      if (hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND')) return await call(tool).catch(explain);
      if (!hasCode(error, 'ERR_WG_PERMISSION')) throw error;
      // The folder alone may be closed to us while CAP_NET_ADMIN opens a kernel device.
      return await call(tool).catch(() => {
        throw error;
      });
    }
  }
  return {
    async list(options) {
      const [sockets, here] = await Promise.all([uapi.list(options), interfacesHere()]);
      let names: readonly string[] = [];
      try {
        names = await tool.list(options);
      } catch (error) {
        if (!hasCode(error, 'ERR_WG_NOT_FOUND') || sockets.length === 0) throw error;
        logger.debug({ error }, 'wg(8) is missing: only devices with a userspace socket are listed');
      }
      const all = [...new Set([...sockets, ...names])].sort();
      return here ? all.filter((name) => here.has(name)) : all;
    },
    read: (device, options) => first(device.realName, (backend) => backend.read(device, options)),
    write: (device, writes, options) => first(device.realName, (backend) => backend.write(device, writes, options)),
  };
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
