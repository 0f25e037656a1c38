import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createNames, formatContent, parseContent } from '#src/names.js';

const KEY = '0123456789abcdef0123456789abcdef01234567';

test('names are KEY.SUBDOMAIN.ZONE in lower-case ASCII, and lead back to the key', () => {
  for (const [zone, subdomain, name] of [
    ['example.com', '', `${KEY}.example.com`],
    ['Example.COM.', 'WG', `${KEY}.wg.example.com`],
    ['example.com', 'a.b', `${KEY}.a.b.example.com`],
    ['bücher.example', '_wg', `${KEY}._wg.xn--bcher-kva.example`],
  ] as const) {
    const names = createNames(zone, subdomain);
    assert.equal(names.nameOf(KEY), name);
    assert.equal(names.keyOf(name), KEY);
    assert.equal(names.keyOf(`${name.toUpperCase()}.`), KEY);
    for (const other of [`x.${name}`, `${KEY}.org`, name.slice(1), `${KEY}0${name.slice(40)}`, KEY.replace('0', 'g')])
      assert.equal(names.keyOf(other), undefined, other);
  }
});

test('the zone is known in all forms of its name', () => {
  const { isZone } = createNames('bücher.example', 'wg');
  for (const name of ['bücher.example', 'BÜCHER.example.', 'xn--bcher-kva.example']) assert.ok(isZone(name), name);
  for (const name of ['example', 'x.bücher.example', 'undefined', '']) assert.ok(!isZone(name), name);
});

test('F40 what is no domain name is refused, and what is too long', () => {
  for (const [zone, subdomain] of [
    ['', ''],
    ['exa mple.com', ''],
    ['https://example.com/x', ''],
    ['example..com', ''],
    ['example.com', '-a'],
    ['example.com', 'a/../b'],
    ['example.com', Array.from({ length: 110 }, () => 'a').join('.')],
  ] as const) {
    assert.throws(
      () => createNames(zone, subdomain),
      (error) => hasCode(error, 'ERR_CONFIG_INVALID'),
      `${zone} ${subdomain}`,
    );
  }
});

test('content is read in all forms in which a TXT record is written', () => {
  for (const [content, value] of [
    ['abcd', 'abcd'],
    ['"abcd"', 'abcd'],
    ['"ab" "cd"', 'abcd'],
    ['"ab""cd"', 'abcd'],
    ['"ab"\n\t"cd"', 'abcd'],
    ['ab cd', 'abcd'],
    ['"\\097b\\c\\100"', 'abcd'],
    ['""', ''],
    ['', ''],
    ['"a\\"b"', 'a"b'],
    ['"unfinished', '"unfinished'],
  ] as const)
    assert.equal(parseContent(content), value, content);
  assert.equal(parseContent(formatContent('abcd', true)), 'abcd');
  assert.equal(parseContent(formatContent('abcd', false)), 'abcd');
});
