/** Which external port is asked for (F51): one of our own choice, the same each time, that no peer can have knocked at before; pure. */
import { createHash } from 'node:crypto';
import { type PublicKey, publicKeyBytes } from '../../api/index.js';

const FIRST = 20_000;
const COUNT = 40_000;
/** Ports below are for services. */
const LEAST = 1024;

/** `taken`: the listen and the reflexive port. A flow that a router keeps in its memory from before the mapping existed would be pinned to
 * one of them. `attempt`: how often a router said that the port was somebody else's. */
export function chooseExternalPort(key: PublicKey, taken: readonly number[], attempt = 0): number {
  const hash = createHash('sha256').update('stunmesh port 1\0').update(publicKeyBytes(key)).digest();
  let offset = (hash.readUInt32BE(0) + attempt * 997) % COUNT;
  while (taken.includes(FIRST + offset)) offset = (offset + 1) % COUNT;
  return FIRST + offset;
}

/** Why a port that a router gave cannot be used, as part of a sentence; undefined: it can. */
export function refusedExternalPort(port: number, taken: readonly number[]): string | undefined {
  if (port < LEAST || port > 65_535) return `${port} is no port for this`;
  return taken.includes(port)
    ? `${port} is the listen or the reflexive port, where the router may remember flows of peers`
    : undefined;
}
