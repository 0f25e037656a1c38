/** Loads store and capture modules by name: preloaded ones first, then packages beside core, then beside the configuration file. */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type CaptureModule, isStunmeshError, type StoreModule, StunmeshError } from '../api/index.js';
import { suggest } from '../config/suggest.js';
import { oneLine } from '../store/error-mapping.js';
import { checkCaptureModule, checkStoreModule, type PreloadedModules } from './module-shape.js';
import type { PluginConfig } from './plugin-config.js';
import { PRELOADED } from './preloaded.js';
import { isPackageName, resolvePackage } from './resolve-package.js';

export interface LoaderOptions {
  /** The folder of the configuration file, absolute; packages installed there are found. Absent: there is no file. */
  readonly configDir?: string;
  /** Default: what the bundle that runs here brings along. */
  readonly preloaded?: PreloadedModules;
  /** Stands in for this process's platform (tests). */
  readonly platform?: NodeJS.Platform;
}

export interface ModuleLoader {
  /** `owner` begins messages; default: the plugin's name. Errors: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID. */
  loadStore(plugin: Pick<PluginConfig, 'name' | 'type' | 'module'>, owner?: string): Promise<StoreModule>;
  /** 'auto', 'linux', 'bsd', a package, or an absolute path. Errors: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID, ERR_CAPTURE_PLATFORM. */
  loadCapture(name: string): Promise<CaptureModule>;
}

interface Loaded {
  /** What was loaded, for messages: the package or path. */
  readonly from: string;
  readonly exports: unknown;
}

/** Short names of the stores that this project has. */
const OWN_STORES = ['file', 'redis', 'cloudflare', 'dht'];
const SHORT_NAME = /^[a-z0-9][a-z0-9-]*$/;
const CAPTURE_OF: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux',
  freebsd: 'bsd',
  openbsd: 'bsd',
  netbsd: 'bsd',
  darwin: 'bsd',
};

export function createLoader(options: LoaderOptions): ModuleLoader {
  const { configDir, preloaded = PRELOADED, platform = process.platform } = options;
  const coreDir = dirname(fileURLToPath(import.meta.url));

  /** The first of `names` that there is; `owner` names the configuration's wish in errors. */
  async function load(names: readonly string[], owner: string): Promise<Loaded> {
    for (const from of names) {
      const exports = await attempt(`${owner}: ${from}`, async () => {
        if (Object.hasOwn(preloaded, from)) return preloaded[from]?.();
        const file = isAbsolute(from) ? existing(from) : find(from);
        if (file === undefined) return undefined;
        if (isAbsolute(from)) await (await import('./published.js')).providePublished(file);
        return import(pathToFileURL(file).href);
      });
      if (exports !== undefined) return { from, exports };
    }
    const name = names[0] ?? '';
    if (isAbsolute(name)) throw new StunmeshError('ERR_PLUGIN_NOT_FOUND', `${owner}: there is no file ${name}`);
    const here =
      configDir === undefined ? '' : `, or for this configuration alone "npm install --prefix ${configDir} ${name}"`;
    const near = suggest(names.at(-1) ?? '', OWN_STORES);
    const meant = near === undefined ? '' : `, did you mean "${near}"?`;
    throw new StunmeshError(
      'ERR_PLUGIN_NOT_FOUND',
      `${owner}: the package ${names.join(' or ')} is not installed${meant}; run "npm install --global ${name}"${here}`,
      { details: { package: name } },
    );
  }

  const existing = (path: string): string | undefined => (existsSync(path) ? path : undefined);

  const find = (name: string): string | undefined =>
    resolvePackage(name, coreDir) ?? (configDir === undefined ? undefined : resolvePackage(name, configDir));

  async function attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      // An addon that is missing says so by a code of its own.
      if (isStunmeshError(error)) throw error;
      const text = oneLine(error instanceof Error ? error.message : String(error));
      throw new StunmeshError('ERR_PLUGIN_INVALID', `${what} could not be loaded: ${text}`);
    }
  }

  function refuse(owner: string, name: string, allowed: string): never {
    throw new StunmeshError(
      'ERR_PLUGIN_NOT_FOUND',
      `${owner}: "${oneLine(name)}" names no module; write ${allowed}, a package name, or an absolute path`,
    );
  }

  return {
    async loadStore(plugin, owner = `plugin "${plugin.name}"`) {
      if (plugin.type !== 'builtin') {
        const { from, exports } = await load(['@stunmesh/store-exec'], owner);
        return checkStoreModule(exports, `${owner}: ${from}`);
      }
      const name = plugin.module ?? '';
      const names = SHORT_NAME.test(name) ? [`@stunmesh/store-${name}`, name] : [name];
      if (!isAbsolute(name) && !isPackageName(name)) refuse(owner, name, 'a short name such as "file"');
      const { from, exports } = await load(names, owner);
      return checkStoreModule(exports, `${owner}: ${from}`);
    },

    async loadCapture(name) {
      const owner = `capture "${name}"`;
      const short = name === 'auto' ? CAPTURE_OF[platform] : name === 'linux' || name === 'bsd' ? name : undefined;
      if (name === 'auto' && short === undefined) {
        const known = Object.keys(CAPTURE_OF).join(', ');
        throw new StunmeshError('ERR_CAPTURE_PLATFORM', `there is no capture for ${platform}; there is for ${known}`);
      }
      if (short === undefined && !isAbsolute(name) && !isPackageName(name)) refuse(owner, name, 'auto, linux, bsd');
      const { from, exports } = await load([short === undefined ? name : `@stunmesh/capture-${short}`], owner);
      const module = checkCaptureModule(exports, `${owner}: ${from}`);
      if (!module.platforms.includes(platform)) {
        throw new StunmeshError(
          'ERR_CAPTURE_PLATFORM',
          `${owner}: ${from} runs on ${module.platforms.join(', ')}, this is ${platform}; write "capture: auto"`,
        );
      }
      return module;
    },
  };
}
