/** The last 24 hours of a peer, as /status.json tells them and as they are drawn. */
import type { TrackSnapshot } from '#src/page/track.js';
import { formatAge } from '#src/runtime/terminal-text.js';

export const PARTS = 144;

const WORDS: Readonly<Record<string, string>> = {
  c: 'connected',
  i: 'idle',
  w: 'waiting',
  o: 'connecting',
  s: 'suspect',
};

export interface Part {
  /** undefined: not known. */
  readonly phase: string | undefined;
  /** Seconds without a tunnel. */
  readonly lost: number;
  readonly rttMs: number | undefined;
}

const ROUND_TRIPS = Array.from({ length: 256 }, (_, code) => (code === 0 ? undefined : 0.1 * 1.05 ** (code - 1)));

/** Of hundreds of peers at once, so it makes no more than it hands back. */
export function decode({ phases, lost, rtt }: TrackSnapshot): readonly Part[] {
  const seconds = new Map(lost);
  const codes = atob(rtt);
  const parts: Part[] = [];
  for (const [, letter = '-', times] of phases.matchAll(/([a-z-])(\d+)/g)) {
    const phase = WORDS[letter];
    for (let left = Number(times); left > 0; left -= 1) {
      const i = parts.length;
      parts.push({ phase, lost: seconds.get(i) ?? 0, rttMs: ROUND_TRIPS[codes.charCodeAt(i)] });
    }
  }
  return parts;
}

/** One sentence for who does not see the picture. */
export function inWords(parts: readonly Part[]): string {
  const known = parts.filter(({ phase }) => phase !== undefined).length;
  if (known === 0) return 'nothing known yet';
  const lost = parts.reduce((sum, part) => sum + part.lost, 0);
  const over = known === PARTS ? 'the last 24 hours' : `the last ${formatAge(known * 600_000)}`;
  const trips = parts.flatMap(({ rttMs }) => rttMs ?? []).toSorted((a, b) => a - b);
  const middle = trips[Math.floor(trips.length / 2)];
  const rtt = middle === undefined ? '' : `; round trip mostly ${Math.round(middle)} ms`;
  return lost === 0 ? `a tunnel all of ${over}${rtt}` : `${formatAge(lost * 1000)} without a tunnel in ${over}${rtt}`;
}
