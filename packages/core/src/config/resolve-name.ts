/** Which of several names a reference means: letter case matters only where it has to. */

/** The same name, else the only one that differs in letter case alone; undefined: none, or several. */
export type ResolveName = (name: string) => string | undefined;

/** Looks through the names once, however many references there are. */
export function createResolveName(names: readonly string[]): ResolveName {
  const exact = new Set(names);
  const byLetters = new Map<string, string | undefined>();
  for (const name of names) {
    const letters = name.toLowerCase();
    byLetters.set(letters, byLetters.has(letters) ? undefined : name);
  }
  return (name) => (exact.has(name) ? name : byLetters.get(name.toLowerCase()));
}
