/**
 * `npm run prebuild [-- PLATFORM…]`: the addons for other platforms, all of them unless some are named, into packages/NAME/prebuilds,
 * from where they get into the packages' tarballs and into bundles.
 */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { relative } from 'node:path';
import process from 'node:process';
import { cannotPrebuild, prebuild } from './packaging/prebuild.mjs';
import { TARGETS, targetOf } from './packaging/targets.mjs';
import { dim, say, seconds } from './say.mjs';
import { installPackages, ROOT } from './workspace.mjs';

const names = process.argv.slice(2);

try {
  if (!runsBeforeBuild()) await main();
} catch (error) {
  say(`prebuild: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function main() {
  const targets = names.length === 0 ? TARGETS : names.map(targetOf);
  const reason = cannotPrebuild();
  if (reason !== undefined) throw new Error(`it runs on Linux x64 alone: ${reason}`);
  // The headers of Node-API are one.
  await installPackages();
  for (const target of targets) {
    const began = performance.now();
    const { file, made } = await prebuild(target);
    const time = made ? seconds(performance.now() - began) : dim('as it was');
    say(
      `${target.name.padEnd(18)} ${(statSync(file).size / 1024).toFixed(0).padStart(4)} KiB  ${relative(ROOT, file)}  ${time}`,
    );
  }
}

/** npm takes a script named prebuild for something to run before `build`; nobody asked for it then. */
function runsBeforeBuild() {
  if (process.env['npm_lifecycle_event'] !== 'prebuild' || names.length > 0) return false;
  let pid = process.ppid;
  for (let steps = 0; steps < 3 && pid > 1; steps += 1) {
    const [, parent, title] = /^\s*(\d+)\s+(.*)$/m.exec(ps(pid)) ?? [];
    if (title !== undefined && /\bp?npm\b.*\s(run(-script)?\s+)?build(\s|$)/.test(title)) return true;
    pid = Number(parent ?? 0);
  }
  return false;
}

/** @param {number} pid */
function ps(pid) {
  try {
    return execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
