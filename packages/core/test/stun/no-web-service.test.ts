import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const folder = new URL('../../src/stun/', import.meta.url);

test('F8 discovery uses STUN alone: stun/ imports no module that could reach a web service, nor any other I/O', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  assert.ok(files.length >= 6, `${files.length} files seen`);
  for (const name of files) {
    const source = readFileSync(new URL(name, folder), 'utf8');
    assert.doesNotMatch(source, /\b(?:fetch|XMLHttpRequest|WebSocket)\s*\(/, name);
    assert.doesNotMatch(source, /https?:\/\//, name);
    const imports = [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((m) => m[1] ?? '');
    for (const module of imports) assert.match(module, /^(?:\.\/|\.\.\/(?:api|net)\/index\.js$)/, `${name}: ${module}`);
  }
});
