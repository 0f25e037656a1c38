/** Records that are read again and again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRecord } from '#src/record/reader.js';

test('a record that is the same as at the last look is not opened again; each channel has its own', () => {
  let opened = 0;
  const channel = (ipv4: string) => ({
    seal: () => '',
    open() {
      opened += 1;
      return JSON.stringify({ ipv4, ipv6: '' });
    },
  });
  const [one, other] = [channel('192.0.2.1:1000'), channel('192.0.2.2:1000')];
  assert.equal(openRecord('aa', one).ipv4?.address, '192.0.2.1');
  assert.equal(openRecord('aa', one), openRecord('aa', one));
  assert.equal(opened, 1);
  assert.equal(openRecord('aa', other).ipv4?.address, '192.0.2.2');
  openRecord('bb', one);
  assert.equal(opened, 3);
});

test('what does not open fails at every look', () => {
  const channel = {
    seal: () => '',
    open(): string {
      throw new Error('damaged');
    },
  };
  for (let i = 0; i < 2; i += 1) assert.throws(() => openRecord('aa', channel), /damaged/);
});
