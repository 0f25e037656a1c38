/** What was compiled ahead of time says the same as ajv, and spares a starting daemon ajv. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { AJV_OPTIONS, addFormats, compile, digestOf } from '#src/config/compile.js';
import { CONFIG_SCHEMA } from '#src/config/schema.js';
import validators from '#validators';

const ROOT = join(import.meta.dirname, '../../../..');
const fixture = (name: string): unknown =>
  parse(readFileSync(join(ROOT, 'test/fixtures/config', name), 'utf8'), { uniqueKeys: false });

function errorsOfAjv(schema: object, value: unknown): readonly unknown[] {
  const ajv = new Ajv(AJV_OPTIONS);
  addFormats(ajv);
  const { $schema: _, ...body } = schema as { $schema?: unknown };
  const check = ajv.compile(body);
  check(value);
  return check.errors ?? [];
}

describe('validators compiled ahead of time', () => {
  test('the configuration and every store of the workspace have one', async () => {
    assert.ok(validators[digestOf(CONFIG_SCHEMA)], 'of the configuration');
    for (const name of ['file', 'exec', 'redis', 'cloudflare']) {
      const module: unknown = await import(join(ROOT, `packages/store-${name}/dist/index.js`));
      const { configSchema } = (module as { default: { configSchema: object } }).default;
      assert.ok(validators[digestOf(configSchema)], `of store-${name}; run npm run build`);
    }
  });

  for (const name of ['full.yaml', 'every-mistake.yaml', 'older-program.yaml']) {
    test(`${name} gives the findings that ajv gives`, async () => {
      const value = fixture(name);
      const check = await compile(CONFIG_SCHEMA);
      check(value);
      assert.deepEqual(check.errors ?? [], errorsOfAjv(CONFIG_SCHEMA, value));
    });
  }

  test('a schema that the build did not know is compiled by ajv', async () => {
    const check = await compile({ type: 'object', properties: { size: { type: 'integer' } } });
    assert.equal(check({ size: 1 }), true);
    assert.equal(check({ size: 'large' }), false);
  });

  test('a configuration is checked without loading ajv', () => {
    const program = `
      import { createRequire } from 'node:module';
      const { compile } = await import(${JSON.stringify(join(ROOT, 'packages/core/dist/config/compile.js'))});
      const { CONFIG_SCHEMA } = await import(${JSON.stringify(join(ROOT, 'packages/core/dist/config/schema.js'))});
      (await compile(CONFIG_SCHEMA))({});
      console.log(Object.keys(createRequire('/').cache).filter((file) => file.includes('/ajv/')).length);`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.equal(printed.trim(), '0');
  });
});
