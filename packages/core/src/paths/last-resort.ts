/** Which address WireGuard itself tries in a common slot where no check was ever answered. */
import type { Endpoint } from '../api/index.js';
import type { Path } from './path.js';

/** The first slot belongs to checks alone. */
const FROM_SLOT = 2;
const SLOT_MS = 60_000;

/** Both hosts try the same family in the same slot, by the slot's number; the addresses of a family take turns. */
export function chooseAttempt(
  paths: readonly Path[],
  at: { readonly slots: number; readonly wall: number; readonly seed: number },
): Endpoint | undefined {
  if (at.slots < FROM_SLOT) return undefined;
  const named = paths.filter(({ type }) => type !== 'learnt').map(({ endpoint }) => endpoint);
  const number = Math.floor((at.wall + (at.seed % 60) * 1_000) / SLOT_MS);
  const wanted = named.filter(({ family }) => family === (number % 2 === 0 ? 4 : 6));
  const turns = wanted.length > 0 ? wanted : named;
  return turns[Math.floor(at.slots / 2) % turns.length];
}
