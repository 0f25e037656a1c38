/** What may go into a store and come out of it (F37): keys of 40 lower-case hex digits, values of hex text within the store's size. */
import { STORE_KEY, type StoreTraits, StunmeshError } from '../api/index.js';

const VALUE = /^[0-9a-fA-F]+$/;

/** The key itself. Errors: ERR_STORE_INPUT, which does not quote it. */
export function checkKey(key: string, where: string): string {
  if (typeof key === 'string' && STORE_KEY.test(key)) return key;
  throw new StunmeshError('ERR_STORE_INPUT', `${where}: a key has 40 lower-case hexadecimal digits, this one has not`);
}

/** The longest value of any kind, in characters. */
export function longestValue({ maxValueBytes, maxLongValue = 0 }: StoreTraits): number {
  return Math.max(maxValueBytes, maxLongValue);
}

/** Errors: ERR_STORE_INPUT (not hex), ERR_STORE_TOO_LARGE. */
export function checkValue(value: string, traits: StoreTraits, where: string): void {
  if (typeof value !== 'string' || !VALUE.test(value))
    throw new StunmeshError('ERR_STORE_INPUT', `${where}: a value is hexadecimal text, this one is not`);
  const most = longestValue(traits);
  if (value.length > most) {
    throw new StunmeshError(
      'ERR_STORE_TOO_LARGE',
      `${where}: the value has ${value.length} characters, the store takes at most ${most}`,
    );
  }
}

/** What a store answered, if a store may answer that. Errors: ERR_STORE_INTERNAL, ERR_STORE_TOO_LARGE. */
export function checkResult(value: unknown, traits: StoreTraits): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') {
    throw new StunmeshError(
      'ERR_STORE_INTERNAL',
      `the module answered a ${value === null ? 'null' : typeof value} where a string or undefined is due`,
    );
  }
  const most = longestValue(traits);
  if (value.length > most) {
    throw new StunmeshError(
      'ERR_STORE_TOO_LARGE',
      `what is stored there has ${value.length} characters, a value has at most ${most}`,
      { retry: 'later' },
    );
  }
  return value;
}
