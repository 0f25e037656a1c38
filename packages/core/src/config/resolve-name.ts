/** Which of several names a reference means: letter case matters only where it has to. */

/** The same name, else the only one that differs in letter case alone; undefined: none, or several. */
export function resolveName(name: string, names: readonly string[]): string | undefined {
  if (names.includes(name)) return name;
  const similar = names.filter((candidate) => candidate.toLowerCase() === name.toLowerCase());
  return similar.length === 1 ? similar[0] : undefined;
}
