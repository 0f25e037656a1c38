/** What may be handed to a plugin: plain hexadecimal and nothing else (F37). */
import { STORE_KEY, StunmeshError } from '@stunmesh/core/api';

const VALUE = /^[0-9a-fA-F]+$/;

/** Errors: ERR_STORE_INPUT. A shell plugin sources what it is given. */
export function checkInput(key: string, value?: string): void {
  if (!STORE_KEY.test(key)) throw new StunmeshError('ERR_STORE_INPUT', 'a key has 40 lower-case hexadecimal digits');
  if (value !== undefined && !VALUE.test(value))
    throw new StunmeshError('ERR_STORE_INPUT', 'a value is hexadecimal text');
}
