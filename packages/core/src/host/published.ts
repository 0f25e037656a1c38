/**
 * Lets a store that lies anywhere import `@stunmesh/core/api` and `@stunmesh/core/net`: where no such package stands beside it, this
 * very program answers for them, so that one file is enough beside a bundle or an executable.
 */
import * as nodeModule from 'node:module';
import { dirname } from 'node:path';
import { resolvePackage } from './resolve-package.js';

type Resolve = (specifier: string, context: unknown, next: (specifier: string, context: unknown) => unknown) => unknown;

interface BunBuilder {
  module(specifier: string, load: () => { readonly exports: object; readonly loader: 'object' }): void;
}
interface Bun {
  plugin(plugin: { readonly name: string; setup(build: BunBuilder): void }): void;
}

/** Where the sources below find the modules themselves. */
const KEY = 'stunmesh.published';
let provided: Promise<void> | undefined;

/** Before `file` is imported. Of use once in a process; costs a thread on a Node without synchronous hooks. */
export async function providePublished(file: string): Promise<void> {
  if (resolvePackage('@stunmesh/core', dirname(file)) !== undefined) return;
  provided ??= provide();
  await provided;
}

async function provide(): Promise<void> {
  const [api, net] = await Promise.all([import('../api/index.js'), import('../net/index.js')]);
  const modules: Readonly<Record<string, object>> = { '@stunmesh/core/api': api, '@stunmesh/core/net': net };
  const { Bun: bun } = globalThis as { Bun?: Bun };
  if (bun) {
    bun.plugin({
      name: 'stunmesh',
      setup(build) {
        for (const [name, exports] of Object.entries(modules))
          build.module(name, () => ({ exports, loader: 'object' }));
      },
    });
    return;
  }
  (globalThis as unknown as Record<symbol, object>)[Symbol.for(KEY)] = modules;
  const urls = Object.fromEntries(Object.entries(modules).map(([name, exports]) => [name, sourceUrl(name, exports)]));
  const { registerHooks } = nodeModule as { registerHooks?: (hooks: { resolve: Resolve }) => void };
  if (registerHooks) {
    registerHooks({
      resolve: (specifier, context, next) => {
        const url = urls[specifier];
        return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
      },
    });
    return;
  }
  nodeModule.register(javascript(HOOKS), { data: urls });
}

/** Runs in a thread of the loader's own. */
const HOOKS = `let urls = {};
export const initialize = (data) => { urls = data; };
export const resolve = (specifier, context, next) =>
  urls[specifier] === undefined ? next(specifier, context) : { url: urls[specifier], shortCircuit: true };`;

/** A module that exports what `exports` holds, the same objects. */
function sourceUrl(name: string, exports: object): string {
  const names = Object.keys(exports).join(', ');
  return javascript(`export const { ${names} } = globalThis[Symbol.for('${KEY}')]['${name}'];`);
}

function javascript(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
