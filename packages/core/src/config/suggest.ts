/** "Did you mean": the nearest of some words. */

/** Longer words are not typing mistakes, and the distance costs their product. */
const LONGEST = 64;
/** Words that are compared; who has more names looks himself. */
const MOST_CANDIDATES = 1_000;

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ .]/g, '');

/** The candidate that is most likely meant; undefined when none is near. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(word);
  if (wanted === '' || word.length > LONGEST) return undefined;
  let best: { word: string; distance: number } | undefined;
  let compared = 0;
  for (const candidate of candidates) {
    compared += 1;
    if (compared > MOST_CANDIDATES) break;
    if (candidate.length > LONGEST) continue;
    const distance = editDistance(wanted, plain(candidate));
    const most = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    if (distance <= most && distance < wanted.length && (!best || distance < best.distance))
      best = { word: candidate, distance };
  }
  return best?.word;
}

/** Optimal string alignment: insertions, deletions, substitutions, and swapped neighbours count one each. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        value = Math.min(value, (before[j - 2] ?? 0) + 1);
      row.push(value);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
