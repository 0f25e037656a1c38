/** What a child wrote, made fit for a log or an error (F34). */

const LONGEST = 200;

/** Credentials in a URL, after a word such as token or password, and of an Authorization header. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/(:\/\/)[^\s/@]+@/g, '$1[secret]@'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, '$1 [secret]'],
  [
    /((?:token|passw(?:or)?d|passphrase|secret|credentials?|(?:api|private|access)[_-]?key)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|\S+)/gi,
    '$1[secret]',
  ],
];

/** One line of at most 200 characters: control and format characters gone, hex runs that may be a record or a key and what looks
 * like a credential replaced. */
export function oneLine(text: string): string {
  let line = text.slice(0, 64 * LONGEST).replace(/[0-9a-fA-F]{64,}/g, '[hex]');
  for (const [pattern, instead] of SECRETS) line = line.replace(pattern, instead);
  line = line.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}

const SECRET_NAME = /token|passw|passphrase|secret|credential|(?:api|private|access)_?key/i;
/** Shorter values stand in too many words. */
const SHORTEST = 6;

/** Replaces what the variables of a child hold that are named like secrets: it may print its own (F34). */
export function createRedactor(env: Readonly<Record<string, string>>): (text: string) => string {
  const secrets = Object.entries(env)
    .filter(([name, value]) => SECRET_NAME.test(name) && !/_(?:file|path|dir)$/i.test(name) && value.length >= SHORTEST)
    .map(([, value]) => value);
  return (text) => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, '[secret]'), text);
}
