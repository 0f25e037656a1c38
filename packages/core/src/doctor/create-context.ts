/** Fetches what doctor's checks look at: each fact once, when the first check asks for it. */
import { isStunmeshError } from '../api/index.js';
import type { GuardedStore } from '../store/guarded-store.js';
import type { DoctorContext, DoctorParts } from './context.js';
import { findDaemons } from './daemons.js';
import { examineNat } from './examine-nat.js';
import { readPeerRecords } from './peer-records.js';
import { interfacesIn } from './scope.js';

/** Nothing is looked at before it is asked for; disposing closes the stores that were opened. */
export function createContext(parts: DoctorParts): DoctorContext {
  const { loaded, signal } = parts;
  const config = isStunmeshError(loaded) ? undefined : loaded.config;
  const known = new Map<string, Promise<unknown>>();
  const opened: GuardedStore[] = [];
  const once = <T>(key: string, fetch: () => Promise<T>): Promise<T> => {
    const promise = known.get(key) ?? fetch();
    if (!known.has(key)) {
      known.set(key, promise);
      // Whoever asks gets the error; that nobody asked yet must not end the process.
      promise.catch(() => undefined);
    }
    return promise as Promise<T>;
  };

  const context: DoctorContext = {
    parts,
    config,
    interfaces: interfacesIn(config, parts.scope),
    device: (name) => once(`device ${name}`, () => parts.control.device(name, { signal })),
    capture: () => once('capture', () => parts.capture()),
    underlay: (entry) =>
      once(`underlay ${entry.name}`, async () =>
        parts.underlay({ name: entry.name, facts: await context.device(entry.name), config: entry }),
      ),
    nat: (entry, family) => once(`nat ${entry.name} ${family}`, () => examineNat(context, entry, family)),
    store: (name) =>
      once(`store ${name}`, async () => {
        const plugin = config?.plugins.get(name);
        if (!plugin) throw new Error(`no plugin "${name}"`);
        const store = await parts.openStore(plugin);
        opened.push(store);
        return store;
      }),
    records: (entry, peer) => once(`records ${entry.name} ${peer}`, () => readPeerRecords(context, entry, peer)),
    daemons: (name) => once(`daemons ${name}`, () => findDaemons(parts, config?.runDir, name)),
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
  return context;
}
