/** What the tests and the demo need of the operating system, and how Debian provides it. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { run } from './run.mjs';
import { bold, dim, say, seconds, yellow } from './say.mjs';

/**
 * Each entry: a program that has to be in PATH (or a file that has to exist) and the package that brings it.
 * None of these packages starts a service. `tests`: only tests need it.
 * @type {readonly { needs: string, package: string, for: string, tests?: boolean }[]}
 */
const NEEDED = [
  { needs: 'cc', package: 'gcc', for: 'compiling the native addon' },
  { needs: '/usr/include/stdio.h', package: 'libc6-dev', for: 'compiling the native addon' },
  { needs: '/usr/include/linux/if.h', package: 'linux-libc-dev', for: 'compiling the native addon' },
  { needs: 'ip', package: 'iproute2', for: 'network namespaces' },
  { needs: 'nft', package: 'nftables', for: 'the NATs' },
  { needs: 'conntrack', package: 'conntrack', for: 'the NATs' },
  { needs: 'tcpdump', package: 'tcpdump', for: 'counting packets' },
  { needs: 'ping', package: 'iputils-ping', for: 'the proof' },
  { needs: 'wg', package: 'wireguard-tools', for: 'WireGuard' },
  { needs: 'wireguard-go', package: 'wireguard-go', for: 'WireGuard without a kernel module' },
  { needs: 'g++', package: 'g++', for: 'compiling the optional capture by libpcap', tests: true },
  {
    needs: '/usr/include/pcap.h',
    package: 'libpcap-dev',
    for: 'compiling the optional capture by libpcap',
    tests: true,
  },
  { needs: '/etc/protocols', package: 'netbase', for: 'names of protocols in packet filters', tests: true },
  { needs: 'pgrep', package: 'procps', for: 'finding processes that should be gone', tests: true },
  { needs: 'systemd-analyze', package: 'systemd', for: 'judging the service files', tests: true },
  { needs: 'chromium-headless-shell', package: 'chromium-headless-shell', for: 'the status page', tests: true },
  { needs: 'python3', package: 'python3', for: 'the example of an exec plugin', tests: true },
];

const isRoot = process.getuid?.() === 0;

/** The full path of a program; sbin folders are looked at even where PATH leaves them out. @param {string} program */
export function findProgram(program) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What is not there. @param {boolean} forTests whether what only tests need counts */
function missingParts(forTests) {
  const missing = NEEDED.filter(({ needs }) => (needs.startsWith('/') ? !existsSync(needs) : !findProgram(needs)));
  return missing.filter(({ tests }) => forTests || !tests);
}

/** @param {readonly { package: string }[]} parts */
function packagesOf(parts) {
  return [...new Set(parts.map((part) => part.package))];
}

/**
 * Installs what is missing, or says how to. Never fatal: tests that miss a part skip and say so.
 * @param {{ forTests: boolean }} options
 * @returns {Promise<string[]>} the packages that are still missing
 */
export async function installMissing({ forTests }) {
  const parts = missingParts(forTests);
  const packages = packagesOf(parts);
  if (packages.length === 0) return [];
  const line = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  if (!findProgram('apt-get')) {
    say(yellow(`missing: ${packages.join(', ')} (Debian's names). This is no Debian, so please install them by hand.`));
    return packages;
  }
  if (!isRoot) {
    say(yellow(`missing: ${packages.join(', ')}. Not root, so nothing is installed; run:  sudo ${line}`));
    return packages;
  }
  say('installing Debian packages, which start no services:');
  for (const name of packages) {
    const uses = parts.filter((part) => part.package === name).map((part) => part.for);
    say(`  ${bold(name.padEnd(16))} ${dim([...new Set(uses)].join(', '))}`);
  }
  await refreshPackageLists();
  const args = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  let result = await run('apt-get', args, { env: quiet() });
  if (result.code !== 0) {
    // Lists that have aged name files that the mirror has replaced.
    await refreshPackageLists(true);
    result = await run('apt-get', args, { env: quiet() });
  }
  // One that this architecture or release does not have must not keep the others away.
  if (result.code !== 0 && packages.length > 1)
    for (const name of packages) {
      const one = await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], { env: quiet() });
      if (one.code !== 0) result = one;
      else if (packagesOf(missingParts(forTests)).length === 0) result = one;
    }
  if (result.code === 0) say(`  done in ${seconds(result.ms)}`);
  else say(yellow(`  apt-get failed:\n${result.output.trim().split('\n').slice(-8).join('\n')}`));
  return packagesOf(missingParts(forTests));
}

/** `apt-get update` where the machine has no package lists yet (fresh containers have none), or always when forced. */
export async function refreshPackageLists(force = false) {
  const lists = '/var/lib/apt/lists';
  const present = existsSync(lists) && readdirSync(lists).some((name) => /_Packages(\.|$)/.test(name));
  if (present && !force) return;
  say('  apt-get update …');
  await run('apt-get', ['update', '-q'], { env: quiet() });
}

function quiet() {
  return { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
}
