/** The supervisor of cap children, with children that misbehave in every way; no capture, no root. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createInbox } from '@stunmesh/core/conformance';
import { openCapSource } from '#src/cap-source.js';
import type { FrameSource } from '#src/frame-source.js';

const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-cap-'));
after(() => rmSync(folder, { recursive: true }));
const MESSAGES = new URL('../dist/cap-messages.js', import.meta.url).href;
const options = { timeout: 120_000 };
let made = 0;

/** Starts a child that runs these lines, with `say(message)`; it ends with its stdin, as the real one. */
function start(lines: string, signal = new AbortController().signal) {
  made += 1;
  const childPath = path.join(folder, `child-${made}.mjs`);
  const pidFile = `${childPath}.pid`;
  const head = `import { readFileSync, writeFileSync } from 'node:fs';
    import { encodeCapMessage } from ${JSON.stringify(MESSAGES)};
    const say = (message, then) => process.stdout.write(encodeCapMessage(message), then);
    process.stdin.on('end', () => process.exit(0)).resume();
    writeFileSync(${JSON.stringify(pidFile)}, JSON.stringify([process.pid, process.argv.slice(2), process.env]));\n`;
  writeFileSync(childPath, head + lines);
  const heard = createInbox<string>(60_000);
  const source = openCapSource({
    interfaceName: 'em0',
    match: { localPort: 51_820 },
    listener: {
      frame: (linkType, frame) => heard.push(`${linkType} ${Buffer.from(frame).toString('hex')}`),
      lost: (reason) => heard.push(`lost: ${reason.message}`),
    },
    signal,
    childPath,
  });
  const child = () => JSON.parse(readFileSync(pidFile, 'utf8')) as [number, string[], Record<string, string>];
  return { source, heard, child };
}

const READY = `say({ kind: 'ready', linkType: 'ETHERNET' });`;
const wait = `setInterval(() => {}, 1000);`;

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) return;
    } catch {
      return;
    }
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

const refused = (opening: Promise<FrameSource>, code: Parameters<typeof hasCode>[1], text: RegExp) =>
  assert.rejects(opening, (error) => {
    assert.ok(hasCode(error, code), String(error));
    assert.match(String(error), text);
    return true;
  });

test(
  'frames come with their link type, and the child gets interface and filter, and nothing of our environment',
  options,
  async () => {
    process.env['STUNMESH_SECRET'] = 'x';
    const { source, heard, child } = start(`${READY} say({ kind: 'frame', frame: Uint8Array.of(1, 2) }); ${wait}`);
    await using _open = await source;
    assert.equal(await heard.at(0, 'a frame'), 'EN10MB 0102');
    const [, [interfaceName, filter], env] = child();
    assert.equal(interfaceName, 'em0');
    assert.match(filter ?? '', /udp dst port 51820/);
    assert.equal(env['STUNMESH_SECRET'], undefined);
    delete process.env['STUNMESH_SECRET'];
  },
);

test('a child that aborts leaves no core dump', { ...options, skip: !existsSync('/proc/self/limits') }, async () => {
  const { source, heard } = start(`${READY}
    const [limits] = /Max core file size.*/.exec(readFileSync('/proc/self/limits', 'utf8'));
    say({ kind: 'frame', frame: Buffer.from(limits) }); ${wait}`);
  await using _open = await source;
  const limits = Buffer.from((await heard.at(0, 'the limits')).split(' ')[1] ?? '', 'hex').toString();
  assert.match(limits, /^Max core file size +0 +0 /);
});

test('closing ends the child, once and for all', options, async () => {
  const { source, heard, child } = start(`${READY} process.on('SIGTERM', () => {}); ${wait}`);
  const open = await source;
  await open[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
  await gone(child()[0]);
  assert.deepEqual(heard.items, []);
});

for (const [how, lines] of [
  ['aborts', `process.abort();`],
  ['exits as if all were well', `process.exit(0);`],
  ['is killed', `process.kill(process.pid, 'SIGKILL');`],
  ['closes its output by crashing', `throw new Error('secret');`],
] as const) {
  test(`F10 a child that ${how} has lost its interface, and this process lives on`, options, async () => {
    const { source, heard } = start(`${READY} setTimeout(() => { ${lines} }, 50);`);
    await using _open = await source;
    assert.match(await heard.at(0, 'the loss'), /^lost: the capture by libpcap on em0 failed: its process ended/);
    assert.equal(heard.items.length, 1);
  });

  test(`a child that ${how} before it captures could not be opened`, options, async () => {
    const { source, heard } = start(lines);
    await refused(source, 'ERR_CAPTURE_OPEN', /on em0 failed: its process ended/);
    assert.deepEqual(heard.items, []);
  });
}

test('what libpcap refuses, and a cap that is not there, are told apart', options, async () => {
  for (const [message, code, text] of [
    [{ kind: 'failed', text: 'em0: No such device exists' }, 'ERR_CAPTURE_OPEN', /No such device/],
    [{ kind: 'failed', text: "You don't have permission" }, 'ERR_CAPTURE_PERMISSION', /needs root/],
    [{ kind: 'missing', text: "Cannot find package 'cap'" }, 'ERR_CAPTURE_ADDON', /npm install/],
    [{ kind: 'ready', linkType: 'IEEE802_11_RADIO' }, 'ERR_CAPTURE_OPEN', /IEEE802_11_RADIO are not understood/],
    [{ kind: 'ready', linkType: 'Unknown linktype 127' }, 'ERR_CAPTURE_OPEN', /127 are not understood/],
  ] as const) {
    const { source, child } = start(`say(${JSON.stringify(message)}); ${wait}`);
    await refused(source, code, text);
    await gone(child()[0]);
  }
  const { source } = start(`say({ kind: 'ready', linkType: 'Unknown linktype 276' }); ${wait}`);
  await (await source)[Symbol.asyncDispose]();
});

test('a child that talks nonsense is ended', options, async () => {
  const { source, child } = start(`process.stdout.write('Warning: something else'); ${wait}`);
  await refused(source, 'ERR_CAPTURE_OPEN', /did not speak as expected/);
  await gone(child()[0]);
});

test('a child that never gets ready is ended with the signal', options, async () => {
  const controller = new AbortController();
  const { source } = start(wait, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(source, /enough/);
  await assert.rejects(start(wait, controller.signal).source, /enough/);
});

test('a bundle without the child says that libpcap cannot be had', options, async () => {
  const opening = openCapSource({
    interfaceName: 'em0',
    match: { localPort: 1 },
    listener: { frame() {}, lost() {} },
    signal: new AbortController().signal,
    childPath: path.join(folder, 'none.js'),
  });
  await refused(opening, 'ERR_CAPTURE_ADDON', /there is no .*none\.js/);
});
