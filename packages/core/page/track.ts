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

export function decode({ phases, lost, rtt }: TrackSnapshot): readonly Part[] {
  const letters = [...phases.matchAll(/([a-z-])(\d+)/g)].flatMap(([, letter = '-', times]) =>
    Array.from({ length: Number(times) }, () => letter),
  );
  const seconds = new Map(lost);
  const codes = atob(rtt);
  return letters.map((letter, i) => {
    const code = codes.charCodeAt(i);
    return {
      phase: WORDS[letter],
      lost: seconds.get(i) ?? 0,
      rttMs: code > 0 ? 0.1 * 1.05 ** (code - 1) : undefined,
    };
  });
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
