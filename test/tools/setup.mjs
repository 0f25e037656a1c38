/** Brings what `npm test`, `npm run demo` and `npm run bench` need; `node test/tools/setup.mjs` alone only builds. */
import process from 'node:process';
import { installMissing } from './debian.mjs';
import { fetchForTests } from './packaging/for-tests.mjs';
import { say } from './say.mjs';
import { build, installPackages } from './workspace.mjs';

const OLDEST_NODE = [20, 19];

/**
 * Installs and builds. `forTests`: also what only tests need. Exits with a plain message where going on makes no sense.
 * @param {{ forTests?: boolean }} [options]
 * @returns {Promise<{ typeErrors: string, nativeErrors: string, missing: string[] }>} what the compilers said (empty when all is
 * well), and the Debian packages that are still missing
 */
export async function setUp({ forTests = false } = {}) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    say(`Node ${process.versions.node} is too old: ${OLDEST_NODE.join('.')} or newer is needed.`);
    process.exit(1);
  }
  // The compiler comes first: pnpm runs the install script that builds the addon.
  const missing = await installMissing({ forTests });
  try {
    await installPackages();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
  if (forTests) await fetchForTests();
  const { types, native, bundle } = await build();
  const bundleErrors =
    bundle.code === 0
      ? ''
      : `core/precompile.mjs, core/manual.mjs or store-cloudflare/bundle.mjs ended with ${bundle.code}:\n${bundle.output}`;
  const addonErrors = native.code === 0 ? '' : native.output.trim() || `native/build.mjs ended with ${native.code}`;
  return {
    typeErrors: types.code === 0 ? '' : types.output.trim() || `tsc ended with ${types.code}`,
    nativeErrors: `${addonErrors}\n${bundleErrors}`.trim(),
    missing,
  };
}

if (import.meta.filename === process.argv[1]) {
  const { typeErrors, nativeErrors } = await setUp();
  if (typeErrors) say(typeErrors);
  if (nativeErrors) say(nativeErrors);
  process.exit(typeErrors || nativeErrors ? 1 : 0);
}
