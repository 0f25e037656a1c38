/** The JavaScript that the FreeBSD scenario brings along, run for real here as far as a Linux can. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createStunFilter, encodeBpf, PACKET_LAYOUTS } from '@stunmesh/core/net';
import { runBpf } from '@stunmesh/core/testing';
import { REPOSITORY } from '../e2e/lab/index.js';

const PORT = 51999;
const tool = (name: string): string => join(REPOSITORY, 'test/freebsd', name);

interface Datagram {
  readonly what: string;
  readonly port: number;
  readonly bytes: Uint8Array;
  readonly read: boolean;
}

const { DATAGRAMS, PROGRAM } = (await import(pathToFileURL(tool('selftest-datagrams.mjs')).href)) as {
  DATAGRAMS: readonly Datagram[];
  PROGRAM: string;
};

/** Exit status and output of one of the tools. */
function runTool(name: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tool(name), ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}

/** An Ethernet frame with IPv4 and UDP. */
function frameOf({ port, bytes }: Datagram): Buffer {
  const frame = Buffer.alloc(42 + bytes.length);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(28 + bytes.length, 16);
  frame[23] = 17;
  frame.writeUInt16BE(40_000, 34);
  frame.writeUInt16BE(port, 36);
  frame.writeUInt16BE(8 + bytes.length, 38);
  frame.set(bytes, 42);
  return frame;
}

test('F3 the self-test of the addon has the program that the product assembles, and it tells its datagrams apart', () => {
  const program = createStunFilter(PACKET_LAYOUTS.EN10MB, { localPort: PORT });
  assert.equal(PROGRAM, Buffer.from(encodeBpf(program, 'LE')).toString('hex'));
  for (const datagram of DATAGRAMS) assert.equal(runBpf(program, frameOf(datagram)) > 0, datagram.read, datagram.what);
  assert.ok(DATAGRAMS.some(({ read }) => read) && DATAGRAMS.some(({ read }) => !read));
});

/** The addon's part in the self-test: hands over the frames and the error that it is told. */
const FAKE_ADDON = `
const calls = [];
const note = (name) => (...args) => { calls.push(name); return undefined; };
module.exports = {
  openBpf: note('open'), setBpfBuffer: () => { calls.push('buffer'); return 4096; }, setBpfImmediate: note('immediate'),
  setBpfFilter: note('filter'), attachBpf: note('attach'), setBpfIncoming: note('incoming'),
  bpfDataLink: () => { calls.push('link'); return Number(process.env.LINK ?? 1); },
  bpfStatistics: () => ({ received: 9, dropped: Number(process.env.DROPPED ?? 0) }),
  close: () => { process.stdout.write('calls ' + calls.join(' ') + '\\n'); },
  startFrames(_, listener) {
    calls.push('start');
    for (const frame of JSON.parse(process.env.FRAMES)) setImmediate(() => listener(undefined, Buffer.from(frame, 'hex')));
    if (process.env.FAULT) setImmediate(() => listener({ code: process.env.FAULT, syscall: 'read' }));
  },
};
`;

test('the self-test of the addon passes on the right frames alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'selftest-'));
  try {
    const addon = join(folder, 'addon.cjs');
    await writeFile(addon, FAKE_ADDON);
    const run = (frames: readonly Datagram[], env: Record<string, string> = {}) =>
      new Promise<{ code: number | null; output: string }>((resolve) => {
        const hex = JSON.stringify(frames.map((frame) => frameOf(frame).toString('hex')));
        const child = spawn(process.execPath, [tool('addon-selftest.mjs'), addon, 'epair1a'], {
          env: { ...process.env, FRAMES: hex, ...env },
        });
        let output = '';
        child.stdout.on('data', (chunk) => (output += chunk));
        child.stderr.on('data', (chunk) => (output += chunk));
        child.on('close', (code) => resolve({ code, output }));
      });
    const wanted = DATAGRAMS.filter(({ read }) => read);
    const [good, leak, lost, fault, other] = await Promise.all([
      run(wanted),
      run(DATAGRAMS),
      run(wanted, { DROPPED: '3' }),
      run([], { FAULT: 'ENXIO' }),
      run(wanted, { LINK: '0' }),
    ]);
    assert.equal(good.code, 0, good.output);
    assert.match(
      good.output,
      /^listening on epair1a, a buffer of 4096 bytes\nframe success, 62 bytes\nframe error, 62 bytes\n/,
    );
    // The order that a FreeBSD kernel accepts.
    assert.match(good.output, /calls open buffer immediate filter attach incoming link filter start/);
    assert.equal(leak.code, 1, leak.output);
    assert.match(leak.output, /frame request/);
    assert.equal(lost.code, 1, lost.output);
    assert.equal(fault.code, 1);
    assert.match(fault.output, /fault ENXIO in read/);
    assert.notEqual(other.code, 0);
    assert.match(other.output, /data link type 0, not Ethernet/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the sender of the self-test sends every datagram', async () => {
  const socket = createSocket('udp4');
  const heard: string[] = [];
  const here = DATAGRAMS.filter(({ port }) => port === PORT);
  const all = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      heard.push(message.toString('hex'));
      if (heard.length === here.length) resolve();
    });
  });
  await new Promise<void>((resolve) => socket.bind(PORT, '127.0.0.9', resolve));
  try {
    assert.deepEqual(await runTool('addon-selftest.mjs', 'send', '127.0.0.9'), { code: 0, output: '' });
    await all;
    assert.deepEqual(heard.toSorted(), here.map(({ bytes }) => Buffer.from(bytes).toString('hex')).toSorted());
  } finally {
    socket.close();
  }
});

test('two addresses of the STUN server see one mapping where there is no NAT; a silent one fails the measurement', async () => {
  const server = spawn(process.execPath, [tool('stun-server.mjs'), '127.0.0.11:0', '127.0.0.12:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let said = '';
    const places = await new Promise<string[]>((resolve, reject) => {
      server.on('close', () => reject(new Error(`the STUN server ended: ${said}`)));
      server.stdout.on('data', (chunk) => {
        said += chunk;
        const found = [...said.matchAll(/listening on (\S+)/g)].map((match) => match[1] ?? '');
        if (found.length === 2) resolve(found);
      });
    });
    const { code, output } = await runTool('mapping.mjs', '0', ...places);
    assert.equal(code, 0, output);
    assert.match(output, /^127\.0\.0\.11:\d+ sees 127\.0\.0\.\d+:(\d+)\n127\.0\.0\.12:\d+ sees 127\.0\.0\.\d+:\1\n/);
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.13', resolve));
    const half = await runTool('mapping.mjs', '0', places[0] ?? '', `127.0.0.13:${silent.address().port}`);
    silent.close();
    assert.equal(half.code, 1);
    assert.match(half.output, /127\.0\.0\.13:\d+ sees nothing/);
    assert.doesNotMatch(half.output, /^mapping/m);
  } finally {
    server.removeAllListeners('close');
    server.kill();
  }
});
