/** Validators of JSON Schemas: compiled ahead of time where the build knew the schema, by ajv where not. */
import { createHash } from 'node:crypto';
import type { Ajv, ValidateFunction } from 'ajv';
import { FORMATS } from './formats.js';

export const AJV_OPTIONS = {
  allErrors: true,
  verbose: true,
  discriminator: true,
  strict: false, // annotations of ours and of modules are no keywords
  meta: false,
  validateSchema: false,
  logger: false,
} as const;

/** FORMATS as ajv has them. */
export const AJV_FORMATS = Object.fromEntries(
  Object.entries(FORMATS).map(([name, { check }]) => [
    name,
    { type: 'string' as const, validate: (text: string) => check(text) === undefined },
  ]),
);

export function addFormats(ajv: Ajv): void {
  for (const [name, format] of Object.entries(AJV_FORMATS)) ajv.addFormat(name, format);
}

/** The name of a schema's validator in build/validators.js: what another version of a store brings has another one. */
export function digestOf(schema: object): string {
  return createHash('sha256').update(JSON.stringify(schema)).digest('hex');
}

const compiled = new WeakMap<object, ValidateFunction>();

/** Throws what ajv throws when the schema itself is wrong. */
export async function compile(schema: object): Promise<ValidateFunction> {
  const known = compiled.get(schema) ?? (await precompiled(schema)) ?? (await compileNow(schema));
  compiled.set(schema, known);
  return known;
}

async function precompiled(schema: object): Promise<ValidateFunction | undefined> {
  try {
    const { default: validators } = await import('#validators');
    const module = await validators[digestOf(schema)]?.();
    return module?.default;
  } catch {
    // Not built: ajv does all.
    return undefined;
  }
}

async function compileNow(schema: object): Promise<ValidateFunction> {
  const { Ajv } = await import('ajv');
  const ajv = new Ajv(AJV_OPTIONS);
  addFormats(ajv);
  const { $schema: _, ...body } = schema as { $schema?: unknown };
  return ajv.compile(body);
}
