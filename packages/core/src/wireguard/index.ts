/** WireGuard control of this host: per device the userspace socket where one answers, else the kernel by netlink, else wg(8). */
import {
  type CallOptions,
  type Clock,
  type KernelWireGuard,
  type Logger,
  StunmeshError,
  type WireGuardControl,
} from '../api/index.js';
import { createCombinedBackend } from './combined.js';
import { createControl } from './control.js';
import type { KindPlaces } from './other-kinds.js';
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
  /** The kernel's WireGuard as the capture module has it, asked for when a device without socket is first met; undefined or absent: wg(8). */
  readonly kernel?: () => Promise<KernelWireGuard | undefined>;
  /** wg(8): a name in PATH or an absolute path; "wg" by default. */
  readonly wgCommand?: string;
  /** Where devices of other kinds are seen. */
  readonly kinds?: KindPlaces;
}

/** No I/O happens before the first call (F32). Closing ends what is under way with ERR_CLOSED, waits for it (a renewal that has begun is finished), and later calls reject. */
export function openWireGuardControl(options: OpenWireGuardOptions): WireGuardControl & AsyncDisposable {
  const { clock, logger, kernel, kinds, uapiDir = UAPI_DIR, wgCommand = 'wg' } = options;
  const uapi = createUapiBackend({ clock, dir: uapiDir });
  const tool = createWgToolBackend({ clock, command: wgCommand });
  const running = new Map<Promise<unknown>, AbortController>();
  let closed: StunmeshError | undefined;
  const control = createControl({
    backend: createCombinedBackend({ logger, clock, uapi, tool, kinds, ...(kernel && { kernel }) }),
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
