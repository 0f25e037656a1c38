/** Which settings hold secrets (F34): their values are never quoted, and a file with them should not be readable by everybody. */

import type { PluginConfig } from './types.js';

const SECRET_NAME = /token|passw|passphrase|secret|credential|(?:^|_)pass$|(?:api|private|access|preshared)_?key/i;

/** A URL with a password, or an argument such as --token=x. */
const SECRET_TEXT = /:\/\/[^/@\s]*:[^/@\s]+@|^-[\w-]*(?:token|passw|secret)[\w-]*=./i;

/** What a module reads when nothing names a variable. */
const DEFAULT_VARIABLES: Readonly<Record<string, string>> = {
  cloudflare: 'CLOUDFLARE_API_TOKEN',
  '@stunmesh/store-cloudflare': 'CLOUDFLARE_API_TOKEN',
};

/** Names of the environment variables that the configured store modules take secrets from: the values of their keys …_env. */
export function secretVariables(
  plugins: Iterable<Pick<PluginConfig, 'type' | 'module' | 'settings'>>,
): readonly string[] {
  const names = new Set<string>();
  const collect = (value: unknown, name: string): void => {
    if (typeof value === 'string' && /_env$/i.test(name) && value !== '') names.add(value);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) collect(member, key);
  };
  for (const { type, module = '', settings } of plugins) {
    if (type !== 'builtin') continue;
    collect(settings, '');
    const usual = DEFAULT_VARIABLES[module];
    if (usual !== undefined) names.add(usual);
  }
  return [...names];
}

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
