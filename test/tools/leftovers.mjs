/** Finds what a test run leaves behind on the machine: namespaces whose maker is gone, processes that outlive their test. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';

/** Every process of a run inherits this variable, so it can be told from the same programs run by somebody else. */
export const RUN_MARK = 'STUNMESH_TEST_RUN';

/** Names of all network namespaces. @returns {Set<string>} */
export function namespaces() {
  try {
    return new Set(readdirSync('/run/netns'));
  } catch {
    return new Set();
  }
}

/**
 * New namespaces that carry the pid of a process that no longer exists. Others may run tests on this machine at the
 * same time, hence no simple "new since the start".
 * @param {Set<string>} before
 */
export function abandonedNamespaces(before) {
  return [...namespaces()].filter((name) => {
    if (before.has(name)) return false;
    const pids = makers(name);
    return pids.length > 0 && pids.every((pid) => !existsSync(`/proc/${pid}`));
  });
}

/** The pid in a namespace's name: in base 36 in the laboratory's names, in plain digits in those of other tests. @param {string} name */
function makers(name) {
  const short = /^stl-([0-9a-z]+)-/.exec(name)?.[1];
  return short === undefined ? (name.match(/\d{2,}/g) ?? []).map(Number) : [Number.parseInt(short, 36)];
}

/**
 * Processes that carry this run's mark, except this one.
 * @param {string} run @returns {{ pid: number, command: string }[]}
 */
export function survivingProcesses(run) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0');
        if (!environment.includes(`${RUN_MARK}=${run}`)) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
        // A zombie has no command line and nothing to end.
        return command === '' ? [] : [{ pid: Number(name), command }];
      } catch {
        return [];
      }
    });
}

/** Whether the product, or a test in its name, made this in the temporary folder. @param {string} name */
export const isOfProduct = (name) => name.startsWith('stunmesh-');
