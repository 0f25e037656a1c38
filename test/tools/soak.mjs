/** `npm run soak [-- --minutes N]`: set-up, then test/bench/soak: a pair that is given no peace, for half an hour unless told otherwise. */
import process from 'node:process';
import { say } from './say.mjs';
import { setUp } from './setup.mjs';

const { typeErrors, nativeErrors } = await setUp();
if (typeErrors || nativeErrors) {
  say(`${typeErrors}\n${nativeErrors}`.trim());
  process.exit(1);
}
await import('../dist/bench/soak.js');
