/** Finds where the first JSON object of a text ends, so that what follows can be ignored. */

/** The first JSON value of `text` if it is an object, as text; undefined when none begins or it does not end. */
export function firstJsonObject(text: string): string | undefined {
  const start = text.search(/\S/);
  if (text[start] !== '{') return undefined;
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    const char = text[at];
    if (quoted) {
      if (char === '\\') at += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) return text.slice(start, at + 1);
    }
  }
  return undefined;
}
