/** `npm run bench [-- PART… [--runs N]]`: set-up, then the measurements of test/bench. */
import process from 'node:process';
import { say } from './say.mjs';
import { setUp } from './setup.mjs';

const { typeErrors, nativeErrors } = await setUp();
if (typeErrors || nativeErrors) {
  say(`${typeErrors}\n${nativeErrors}`.trim());
  process.exit(1);
}
await import('../dist/bench/main.js');
