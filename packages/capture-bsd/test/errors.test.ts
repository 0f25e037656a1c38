/** What a refused system call becomes: words that say what to do about it on this system. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isStunmeshError } from '@stunmesh/core/api';
import { bpfError, errors } from '#src/errors.js';
import { routeTo, sourceFor } from '#src/route.js';
import { createFakeNative, FREEBSD, MACOS, systemError } from './fake-native.js';

function told(error: unknown): string {
  assert.ok(isStunmeshError(error));
  return `${error.code} ${error.message}`;
}

test('F39 a jail whose devfs hides bpf is told the line for its ruleset', () => {
  const hidden = systemError('ENOENT', 'open');
  assert.match(
    told(bpfError(hidden, 'em0', 'freebsd')),
    /^ERR_CAPTURE_OPEN \/dev\/bpf on em0 .*this jail's devfs hides bpf: add path 'bpf\*' unhide to its ruleset/,
  );
  assert.doesNotMatch(told(bpfError(hidden, 'en0', 'darwin')), /jail/);
  assert.doesNotMatch(told(bpfError(systemError('EBUSY', 'open'), 'em0', 'freebsd')), /jail/);
  assert.match(told(bpfError(systemError('EACCES', 'open'), 'em0', 'freebsd')), /^ERR_CAPTURE_PERMISSION .*needs root/);
});

test('F39 what root alone may open is told without the port that it was for', () => {
  const what = 'the IPv4 STUN socket of port 1';
  assert.match(told(errors.openError(systemError('EPERM', 'socket'), what)), /the IPv4 STUN socket needs root/);
  assert.match(
    told(errors.openError(systemError('EMFILE', 'socket'), what)),
    /the IPv4 STUN socket of port 1 cannot be opened/,
  );
});

test('F5 a routing table that there is not is named, with where their number stands', () => {
  const native = createFakeNative(FREEBSD);
  native.setInterfaces([{ name: 'em0', addresses: ['192.0.2.1'] }]);
  native.source = '192.0.2.1';
  native.failures.set('setOption', systemError('EINVAL', 'setsockopt'));
  const key = { firewallMark: 0, fib: 99 };
  assert.throws(
    () => sourceFor(native, '198.51.100.1', key),
    (error) =>
      /^ERR_CAPTURE_OPEN there is no routing table 99, which proxy\.fib names.*sysctl net\.fibs/.test(told(error)),
  );
  assert.equal(routeTo(native, { to: '198.51.100.1', ...key }), undefined);
  assert.deepEqual(native.openOnes(), []);
  // Where there are no such tables, none is asked for.
  const mac = createFakeNative(MACOS);
  mac.source = '192.0.2.1';
  mac.failures.set('setOption', systemError('EINVAL', 'setsockopt'));
  assert.equal(sourceFor(mac, '198.51.100.1', key), '192.0.2.1');
});
