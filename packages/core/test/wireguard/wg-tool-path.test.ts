/** wg(8) and folders of PATH that an ordinary user may not search: the system's word for them is that of a forbidden program. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode, parsePublicKey, SecretKey } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createWgToolBackend } from '#src/wireguard/wg-tool.js';

const NOBODY = 65_534;
const root = process.getuid?.() === 0;
const names = { name: 'wg0', realName: 'wg0' };
const options = { signal: new AbortController().signal };

const folder = mkdtempSync(join(tmpdir(), 'smt-path-'));
after(() => {
  chmodSync(join(folder, 'closed'), 0o700);
  rmSync(folder, { recursive: true, force: true });
});
chmodSync(folder, 0o755);
mkdirSync(join(folder, 'closed'), { mode: 0o000 });
mkdirSync(join(folder, 'open'), { mode: 0o755 });
writeFileSync(join(folder, 'open', 'smt-not-executable'), '#!/bin/sh\n', { mode: 0o644 });

/** With PATH as it is and both folders before it, by a user whom modes hold. */
async function asOrdinaryUser(run: () => Promise<void>): Promise<void> {
  const path = process.env['PATH'];
  process.env['PATH'] = `${join(folder, 'closed')}:${join(folder, 'open')}:${path ?? ''}`;
  if (root) process.seteuid?.(NOBODY);
  try {
    await run();
  } finally {
    if (root) process.seteuid?.(0);
    process.env['PATH'] = path;
  }
}

for (const [command, code] of [
  ['smt-no-such-command', 'ERR_WG_NOT_FOUND'],
  ['smt-not-executable', 'ERR_WG_PERMISSION'],
] as const)
  test(`F39 ${command}, and a folder of PATH that may not be searched: ${code}`, async () => {
    const tool = createWgToolBackend({ clock: createSystemClock(), command });
    const publicKey = parsePublicKey(randomBytes(32).toString('base64')) ?? assert.fail();
    const presharedKey = new SecretKey(randomBytes(32));
    await asOrdinaryUser(async () => {
      await assert.rejects(tool.read(names, options), (e: unknown) => hasCode(e, code));
      // Some shells call a program that they may not execute missing.
      if (code === 'ERR_WG_NOT_FOUND')
        await assert.rejects(tool.write(names, [{ publicKey, presharedKey }], options), (e: unknown) =>
          hasCode(e, code),
        );
    });
  });
