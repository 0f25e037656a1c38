/** Looks whether what a package exports is the module that is wanted, and says what is wrong where it is not. */
import { type CaptureModule, type StoreModule, StunmeshError } from '../api/index.js';

/** The version of the plugin interfaces in api/ that this host speaks. */
const API_VERSION = 1;

/** Modules that a bundle brings along, by package name; each is loaded when it is first asked for. */
export type PreloadedModules = Readonly<Record<string, () => Promise<unknown>>>;

type Shape = Readonly<Record<string, 'string' | 'function' | 'object'>>;

const STORE_SHAPE: Shape = { name: 'string', configSchema: 'object', traits: 'function', open: 'function' };
const CAPTURE_SHAPE: Shape = {
  name: 'string',
  platforms: 'object',
  openStunSocket: 'function',
  openEchoSocket: 'function',
  listInterfaces: 'function',
  watchNetwork: 'function',
};

type Members = Record<string, unknown>;

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null;

/** The default export, also of a CommonJS file (default.default), or the namespace itself. */
function findModule(exports: unknown): Members | undefined {
  const outer = isObject(exports) ? exports['default'] : undefined;
  const inner = isObject(outer) ? outer['default'] : undefined;
  return [outer, inner, exports].filter(isObject).find((candidate) => 'kind' in candidate);
}

function check(exports: unknown, kind: 'store' | 'capture', shape: Shape, where: string): Members {
  const refuse = (what: string): never => {
    throw new StunmeshError('ERR_PLUGIN_INVALID', `${where} is not a ${kind} module: ${what}`);
  };
  const found = findModule(exports);
  if (!found) return refuse(`its default export has no member "kind"; wanted kind "${kind}"`);
  if (found['kind'] !== kind) return refuse(`found kind ${JSON.stringify(found['kind'])}, wanted "${kind}"`);
  const version = found['apiVersion'];
  if (version !== API_VERSION) {
    const newer = typeof version === 'number' && version > API_VERSION;
    const remedy = newer
      ? 'update stunmesh, or install an older release of the module'
      : 'install a newer release of the module';
    return refuse(`found apiVersion ${JSON.stringify(version)}, wanted ${API_VERSION}; ${remedy}`);
  }
  for (const [member, type] of Object.entries(shape)) {
    const value = found[member];
    const actual = value === null ? 'null' : typeof value;
    if (actual !== type)
      return refuse(`found ${actual === 'undefined' ? 'no' : `a ${actual} as`} member "${member}", wanted a ${type}`);
  }
  return found;
}

/** Errors: ERR_PLUGIN_INVALID, with what was found and what is wanted. */
export function checkStoreModule(exports: unknown, where: string): StoreModule {
  return check(exports, 'store', STORE_SHAPE, where) as unknown as StoreModule;
}

/** Errors: ERR_PLUGIN_INVALID, with what was found and what is wanted. */
export function checkCaptureModule(exports: unknown, where: string): CaptureModule {
  const found = check(exports, 'capture', CAPTURE_SHAPE, where);
  if (!Array.isArray(found['platforms'])) {
    throw new StunmeshError('ERR_PLUGIN_INVALID', `${where} is not a capture module: "platforms" must be a list`);
  }
  return found as unknown as CaptureModule;
}
