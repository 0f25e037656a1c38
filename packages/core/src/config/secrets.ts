/** Which settings hold secrets (F34): their values are never quoted, and a file with them should not be readable by everybody. */

const SECRET_NAME = /token|passw|passphrase|secret|credential|(?:^|_)pass$|(?:api|private|access|preshared)_?key/i;

/** A URL with a password, or an argument such as --token=x. */
const SECRET_TEXT = /:\/\/[^/@\s]*:[^/@\s]+@|^-[\w-]*(?:token|passw|secret)[\w-]*=./i;

/** True for names such as token, password, api_key; not for those of files (token_file), whose path is no secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !/_?(?:file|path|dir)$/i.test(name);
}

/** True when the value holds a secret anywhere: a member with a secret name, or a URL with a password. */
export function holdsSecret(value: unknown, name = ''): boolean {
  if (typeof value === 'string') return value !== '' && (isSecretName(name) || SECRET_TEXT.test(value));
  if (typeof value === 'number') return isSecretName(name);
  if (Array.isArray(value)) return value.some((item) => holdsSecret(item, name));
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, member]) => holdsSecret(member, key));
}
