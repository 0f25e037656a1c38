/** What precompile.mjs writes: validators by digestOf(schema). */
import type { ValidateFunction } from 'ajv';

declare const validators: Readonly<Record<string, (() => Promise<{ readonly default: ValidateFunction }>) | undefined>>;
export default validators;
