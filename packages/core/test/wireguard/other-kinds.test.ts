/** Devices that wg(8) does not show, each told for what it is. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { createMemoryLogger, createSystemClock } from '#src/testing/index.js';
import { openWireGuardControl } from '#src/wireguard/index.js';

test('an interface of AmneziaWG, by kernel or userspace, and one of another kind are no absent devices', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kinds-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [classDir, amneziaDir] = [join(folder, 'net'), join(folder, 'amneziawg')];
  for (const [name, kind] of [
    ['awg0', 'DEVTYPE=amneziawg\nINTERFACE=awg0\n'],
    ['br0', 'DEVTYPE=bridge\nINTERFACE=br0\n'],
    ['tun0', 'INTERFACE=tun0\n'],
  ] as const) {
    await mkdir(join(classDir, name), { recursive: true });
    await writeFile(join(classDir, name, 'uevent'), kind);
  }
  await mkdir(amneziaDir);
  await writeFile(join(amneziaDir, 'awg1.sock'), '');
  const wg = join(folder, 'wg');
  const says = '#!/bin/sh\necho "Unable to access interface: Operation not supported" >&2\nexit 1\n';
  await writeFile(wg, says, { mode: 0o755 });
  await using control = openWireGuardControl({
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    uapiDir: join(folder, 'none'),
    wgCommand: wg,
    kinds: { classDir, amneziaDir },
  });
  const { signal } = new AbortController();
  for (const [name, text] of [
    ['awg0', /one of AmneziaWG, which wg\(8\) does not show/],
    ['awg1', /one of AmneziaWG/],
    ['br0', /none of WireGuard's; take the name/],
    ['tun0', /there is no such WireGuard device/],
    ['wg9', /there is no such WireGuard device/],
  ] as const)
    await assert.rejects(control.device(name, { signal }), (error) => {
      assert.match(String(error), text);
      return hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND');
    });
});
