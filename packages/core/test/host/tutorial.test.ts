/** The code in docs/plugins.md works as it stands. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { callHere } from '../cli/call-here.js';

const CORE = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(new URL('../../../../docs/plugins.md', import.meta.url), 'utf8');

/** The code blocks of a section in one language. */
function blocks(heading: string, language: string): string[] {
  const section =
    page.split(/^## /m).find((each) => each.startsWith(heading)) ?? assert.fail(`no section "${heading}"`);
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((m) => m[1] ?? '');
}

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tutorial-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, args, {
    cwd,
    // Without what would make a test runner inside a test runner report to the outer one.
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text;
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output: (await Promise.all(texts)).join('') };
}

test('the exec plugin of the tutorial has 20 lines and passes as it stands', async (t) => {
  const [code = ''] = blocks('An exec plugin in 20 lines', 'python');
  assert.ok(code.trimEnd().split('\n').length <= 20);
  const folder = await scratch(t);
  await writeFile(join(folder, 'plugin.py'), code, { mode: 0o755 });
  const args = ['plugin', 'test', '--protocol', '1', '--', './plugin.py', 'records'];
  const { code: status, stdout } = await callHere(args, folder, process.env);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok \d+ - a session: 50 requests at once/m);
});

test('the store package of the tutorial has 60 lines and passes its own test', async (t) => {
  const heading = 'A store package in 60 lines';
  const [manifest = ''] = blocks(heading, 'json');
  const [code = '', cases = ''] = blocks(heading, 'js');
  const lines = [manifest, code, cases]
    .join('')
    .split('\n')
    .filter((line) => line.trim() !== '');
  assert.ok(lines.length <= 60, `${lines.length} lines`);
  const folder = await scratch(t);
  await mkdir(join(folder, 'node_modules/@stunmesh'), { recursive: true });
  await symlink(CORE, join(folder, 'node_modules/@stunmesh/core'));
  await writeFile(join(folder, 'package.json'), manifest);
  await writeFile(join(folder, 'index.js'), code);
  await writeFile(join(folder, 'test.js'), cases);

  const kept = new Map<string, string>();
  const server = createServer(async (request, response) => {
    const name = request.url ?? '';
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (request.method === 'PUT') kept.set(name, body);
    if (request.method === 'DELETE') kept.delete(name);
    const found = request.method === 'GET' ? kept.get(name) : '';
    response.writeHead(found === undefined ? 404 : 200).end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { status, output } = await run(['--test', 'test.js'], folder, { ACME_URL: url });
  assert.equal(status, 0, output);
  assert.match(output, /pass (1[6-9]|2\d)\b/);
  assert.ok(kept.size > 5);
});
