/** Control sockets of daemons wherever they lie: the kernel lists what is bound in this network namespace. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';

/** Where userspace WireGuard keeps sockets of the same name. */
const WIREGUARD_FOLDER = /\/run\/wireguard\//;

/** Paths of the unix sockets that listen in this network namespace; empty where nothing tells, as on the BSDs. */
export async function boundSockets(): Promise<readonly string[]> {
  // proc(5), /proc/net/unix: the path is the last column; the flag 00010000 marks one that listens.
  const lines = (await readFile('/proc/self/net/unix', 'utf8').catch(() => '')).split('\n');
  const paths = lines.flatMap((line) => /^\S+ \S+ \S+ 00010000 .* (\/\S.*)$/.exec(line)?.[1] ?? []);
  const owned = await Promise.all([...new Set(paths)].map(async (path) => ((await isForeign(path)) ? [] : [path])));
  return Promise.all(owned.flat().map((path) => realpath(path).catch(() => path)));
}

/** Those that a daemon of this device may have. */
export function socketsOfDevice(bound: readonly string[], device: string): readonly string[] {
  return bound.filter((path) => basename(path) === `${device}.sock` && !WIREGUARD_FOLDER.test(path));
}

/** A socket of another user than root and us: anybody can bind one with a daemon's name, and it is not believed. */
async function isForeign(path: string): Promise<boolean> {
  const seen = await stat(path).catch(() => undefined);
  return seen !== undefined && seen.uid !== 0 && seen.uid !== process.geteuid?.();
}
