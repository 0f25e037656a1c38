/** The plugin host: opens the configured stores behind a guard and loads the capture module. */
import {
  type CaptureModule,
  type Clock,
  hasCode,
  isStunmeshError,
  type Logger,
  type StoreComponents,
  type StoreModule,
  StunmeshError,
} from '../api/index.js';
import type { ExecProbe } from '../conformance/index.js';
import type { EndedCall } from '../store/call.js';
import { mapStoreError } from '../store/error-mapping.js';
import { type GuardedStore, guardStore } from '../store/guarded-store.js';
import { createLoader } from './loader.js';
import type { PreloadedModules } from './module-shape.js';
import type { PluginConfig } from './plugin-config.js';
import { type CheckSettings, type Explain, readSettings } from './settings.js';

export interface PluginHostOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The folder of the configuration file, absolute. Absent: there is no file. */
  readonly configDir?: string;
  /** Modules of a bundle; they come before installed packages. */
  readonly preloaded?: PreloadedModules;
  /** LoadedConfig's: where a path stands in the file. */
  readonly explain?: Explain;
  /** LoadedConfig's: converts and checks a built-in's settings. Without it they are checked as they are. */
  readonly checkSettings?: CheckSettings;
  /** For stores' connections and names, and the mark of other programs' sockets (StoreComponents). */
  readonly network?: Pick<StoreComponents, 'connect' | 'openDatagrams' | 'resolve' | 'firewallMark'>;
  /** What the two hosts of a record's key share, for this module alone (StoreComponents). */
  secretFor?(module: string, key: string): Uint8Array | undefined;
  /** What a record's key is in words, for messages; undefined: it is shown itself. */
  describeKey?(key: string): string | undefined;
  /** Where an instance keeps what it remembers (StoreComponents). */
  stateFolder?(store: string): Promise<string>;
  /** What programs of stores do not get (StoreComponents). */
  readonly secretVariables?: readonly string[];
  /** For stores' temporary files (StoreComponents). */
  scratchFolder?(): string;
  /** How long a store that is down may be left alone at a time, as things stand now, in milliseconds. Default: 5 minutes. */
  mostPauseMs?(store: string): number;
  /** Called after each call to a store, by the store's name in the configuration. */
  onStoreCall?(store: string, call: EndedCall): void;
}

export interface PluginHost {
  /** Loads the module, checks the settings, makes the instance; no I/O towards the store yet (F32). The caller closes it.
   * Errors: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID, ERR_CONFIG_INVALID, or what the module's open says. */
  openStore(plugin: PluginConfig): Promise<GuardedStore>;
  /** The bare program behind an exec plugin, as its store has it, to be tried as a process; undefined: there is none, or it speaks the shell
   * protocol. The caller closes it. Errors: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID. */
  openProbe(plugin: PluginConfig): Promise<(ExecProbe & AsyncDisposable) | undefined>;
  /** 'auto', 'linux', 'bsd', a package or an absolute path. Errors: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID,
   * ERR_CAPTURE_PLATFORM, ERR_CAPTURE_ADDON. */
  loadCapture(name: string): Promise<CaptureModule>;
}

/** A store module of child processes hands out the process itself, too. */
interface ProbedModule {
  probe?(config: object, components: StoreComponents): ExecProbe & AsyncDisposable;
}

export function createPluginHost(options: PluginHostOptions): PluginHost {
  const { clock, explain } = options;
  const loader = createLoader(options);

  function componentsFor(plugin: PluginConfig, module: StoreModule): StoreComponents {
    const scratchFolder = options.scratchFolder?.bind(options);
    const secretFor = options.secretFor?.bind(options, module.name);
    const stateFolder = options.stateFolder?.bind(options, plugin.name);
    return {
      clock,
      logger: options.logger.child({ store: plugin.name }),
      ...options.network,
      ...(scratchFolder ? { scratchFolder } : {}),
      ...(secretFor ? { secretFor } : {}),
      ...(stateFolder ? { stateFolder } : {}),
      ...(options.secretVariables ? { secretVariables: options.secretVariables } : {}),
    };
  }

  async function openProbe(plugin: PluginConfig): Promise<(ExecProbe & AsyncDisposable) | undefined> {
    if (plugin.type !== 'exec') return undefined;
    const module: StoreModule & ProbedModule = await loader.loadStore(plugin);
    return module.probe?.({ ...plugin.settings, type: plugin.type }, componentsFor(plugin, module));
  }

  async function openStore(plugin: PluginConfig): Promise<GuardedStore> {
    const builtin = plugin.type === 'builtin';
    const placeOf = (key?: string): string =>
      explain ? explain(['plugins', plugin.name, ...(key === undefined ? [] : [key])]) : `plugin "${plugin.name}"`;
    const module: StoreModule = await loader.loadStore(plugin, placeOf(builtin ? 'name' : 'type'));
    const config = await readSettings({
      schema: module.configSchema,
      // One module serves both kinds of child process; it has to know which.
      settings: builtin ? plugin.settings : { ...plugin.settings, type: plugin.type },
      instance: plugin.name,
      module: module.name,
      explain,
      checkSettings: builtin ? options.checkSettings : undefined,
    });
    const components = componentsFor(plugin, module);
    try {
      const traits = module.traits(config);
      const store = await module.open(config, components);
      const mostPauseMs = options.mostPauseMs?.bind(options, plugin.name);
      return guardStore({
        name: plugin.name,
        store,
        traits,
        timeoutMs: plugin.timeoutMs,
        clock,
        logger: components.logger,
        ...(mostPauseMs ? { mostPauseMs } : {}),
        describeKey: (key) => options.describeKey?.(key),
        onCall: (call) => options.onStoreCall?.(plugin.name, call),
      });
    } catch (error) {
      throw mapStoreError(...placed(error, placeOf));
    }
  }

  return { openStore, openProbe, loadCapture: (name) => loader.loadCapture(name) };
}

/** A refused setting stands at its own place in the file, which already tells its name. */
function placed(error: unknown, placeOf: (key?: string) => string): [error: unknown, place: string] {
  if (!isStunmeshError(error) || !hasCode(error, 'ERR_CONFIG_INVALID')) return [error, placeOf()];
  const { key } = error.details;
  if (typeof key !== 'string') return [error, placeOf()];
  const { message, retry, details } = error;
  const text = message.startsWith(`${key}: `) ? message.slice(key.length + 2) : message;
  return [new StunmeshError('ERR_CONFIG_INVALID', text, { retry, details }), placeOf(key)];
}
