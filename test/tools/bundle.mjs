/**
 * `npm run bundle [-- --stores file,exec,redis,cloudflare --platform linux-x64 --out DIR]`: the daemon, the chosen stores and the
 * platform's addon (made where it is missing) as a folder that runs by `node DIR/stunmesh.js` or `bun DIR/stunmesh.js`.
 */
import { join, relative, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { writeBundle } from './packaging/bundle.mjs';
import { cannotPrebuild, prebuild } from './packaging/prebuild.mjs';
import { STORES } from './packaging/program.mjs';
import { ownTarget, targetOf } from './packaging/targets.mjs';
import { bold, say } from './say.mjs';
import { setUp } from './setup.mjs';
import { ROOT } from './workspace.mjs';

const { values } = parseArgs({
  options: {
    stores: { type: 'string', default: STORES.join(',') },
    platform: { type: 'string' },
    out: { type: 'string' },
    // The sources have been built already.
    'no-build': { type: 'boolean', default: false },
  },
});

try {
  const target = values.platform === undefined ? ownTarget() : targetOf(values.platform);
  if (!target) throw new Error(`there is no bundle for ${process.platform}-${process.arch}; name one by --platform`);
  const stores = values.stores.split(',').filter((store) => store !== '');
  const unknown = stores.find((store) => !STORES.includes(store));
  if (unknown !== undefined) throw new Error(`there is no store "${unknown}"; allowed: ${STORES.join(', ')}`);
  if (!values['no-build']) {
    const { typeErrors, nativeErrors } = await setUp();
    if (typeErrors || nativeErrors) throw new Error(`${typeErrors}\n${nativeErrors}`.trim());
    if (target !== ownTarget()) {
      const reason = cannotPrebuild();
      if (reason !== undefined) throw new Error(`a bundle for another platform is made on Linux x64 alone: ${reason}`);
      await prebuild(target);
    }
  }
  const out = values.out === undefined ? join(ROOT, 'build', `stunmesh-${target.name}`) : resolve(values.out);
  const { bytes } = await writeBundle({ target, stores, out });
  const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
  const shown = relative(process.cwd(), out);
  const folder = shown === '' || shown.startsWith('..') ? out : shown;
  say(`${bold(folder)}: ${bytes.size} files, ${Math.round(total / 1024)} KiB and the addon, for ${target.name}`);
  say(`run it by:  node ${join(folder, 'stunmesh.js')}    or:  bun ${join(folder, 'stunmesh.js')}`);
} catch (error) {
  say(`bundle: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
