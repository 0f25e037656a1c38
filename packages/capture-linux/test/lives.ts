/** Programs that use the addon and end in various ways; a test starts each as a process of its own: `node lives.js NAME [ARGUMENT]`. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CaptureModule, StunMessageEvent } from '@stunmesh/core/api';
import { isSystemError } from '@stunmesh/core/capture-kit';
import { encodeEcho } from '@stunmesh/core/net';
import { collect, createGate, measureRounds, resources } from '@stunmesh/core/testing/capture-lab';
import { createCapture } from '#src/index.js';
import { loadNative } from '#src/native.js';

const PORT = 51820;
const never = new AbortController().signal;
const addonPath = process.env['STUNMESH_TEST_ADDON'];
const capture = createCapture(addonPath === undefined ? {} : { addonPath });
const response = Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(9));

function openStun(module: CaptureModule, family: 4 | 6, onMessage: (event: StunMessageEvent) => void) {
  return module.openStunSocket({
    family,
    localPort: PORT,
    excludeDevice: '',
    firewallMark: 0,
    signal: never,
    onMessage,
    onFault: (error) => {
      throw error;
    },
  });
}

function openEcho(module: CaptureModule, family: 4 | 6, onPacket: () => void) {
  return module.openEchoSocket({
    family,
    device: 'lo',
    onPacket,
    onFault: (error) => {
      throw error;
    },
  });
}

const ping = (family: 4 | 6) => encodeEcho(family, { kind: 'request', id: 1, sequence: 1, payload: response });

/** A sender of STUN responses to our port. */
async function openServer() {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Opens everything, lets a packet pass through each (or, every second time, none), and closes it. */
async function oneCycle(round: number, server: Awaited<ReturnType<typeof openServer>>): Promise<void> {
  const heard = createGate();
  const stun = await openStun(capture, 4, () => heard.resolve());
  const stun6 = await openStun(capture, 6, () => {});
  const echoed = createGate();
  const echo = await openEcho(capture, 4, () => echoed.resolve());
  const watch = await capture.watchNetwork({ onChange: () => {}, onFault: () => {} });
  server.send(response, PORT, '127.0.0.1');
  await echo.send(ping(4), '127.0.0.1', { ttl: 5 });
  // Even rounds wait for the packets; odd ones close while they are on their way.
  if (round % 2 === 0) await Promise.all([heard.promise, echoed.promise]);
  await Promise.all([stun, stun6, echo, watch].map((s) => s[Symbol.asyncDispose]()));
}

const lives: Record<string, (argument: string) => Promise<void>> = {
  /** Prints the resources before and after that many cycles. */
  async cycles(count) {
    const server = await openServer();
    // Before stdout is touched, which opens a descriptor of Node's own.
    const found = await measureRounds(Number(count), 200, (round) => oneCycle(round, server));
    process.stdout.write(`${JSON.stringify(found)}\n`);
    server.close();
  },

  /** Forgets sockets without closing them: open ones go on, the process is told to end. */
  async exit(how) {
    const heard = createGate();
    await openStun(capture, 4, () => heard.resolve());
    await openEcho(capture, 6, () => {});
    await capture.watchNetwork({ onChange: () => {}, onFault: () => {} });
    const server = await openServer();
    // A flood, so that packets arrive while it ends.
    for (let i = 0; i < 200; i += 1) server.send(response, PORT, '127.0.0.1');
    await heard.promise;
    process.stdout.write('heard\n');
    if (how === 'exit') process.exit(0);
    if (how === 'throw') throw new Error('on purpose');
    if (how === 'kill') process.kill(process.pid, 'SIGTERM');
    if (how === 'signal') process.once('SIGUSR2', () => process.exit(7)).kill(process.pid, 'SIGUSR2');
  },

  /** A listener that throws: the process hears of it as of any uncaught exception, and the socket goes on. */
  async listener() {
    const messages: string[] = [];
    const done = createGate();
    process.on('uncaughtException', (error) => {
      messages.push(error.message);
      if (messages.length === 3) done.resolve();
    });
    let count = 0;
    const stun = await openStun(capture, 4, () => {
      count += 1;
      throw new Error(`thrown ${count}`);
    });
    const server = await openServer();
    for (let i = 0; i < 3; i += 1) server.send(response, PORT, '127.0.0.1');
    await done.promise;
    server.close();
    await stun[Symbol.asyncDispose]();
    process.stdout.write(`${messages.join(', ')}\n`);
  },

  /** Closes the socket inside its own listener. */
  async inside() {
    const done = createGate();
    const stun = await openStun(capture, 4, () => void stun[Symbol.asyncDispose]().then(() => done.resolve()));
    const server = await openServer();
    for (let i = 0; i < 100; i += 1) server.send(response, PORT, '127.0.0.1');
    await done.promise;
    server.close();
    process.stdout.write('closed\n');
  },

  /** More packets than the queue holds while JavaScript is busy; then it closes with the queue full. */
  async flood() {
    let count = 0;
    const stun = await openStun(capture, 4, () => {
      count += 1;
    });
    const server = await openServer();
    for (let i = 0; i < 300; i += 1) await new Promise((resolve) => server.send(response, PORT, '127.0.0.1', resolve));
    const end = process.hrtime.bigint() + 50_000_000n;
    while (process.hrtime.bigint() < end);
    await stun[Symbol.asyncDispose]();
    const atClose = count;
    await collect();
    server.close();
    process.stdout.write(`${count - atClose}\n`);
  },

  /** A flood of requests with a tag that counts; prints how many were handed over, and in which time they were sent. */
  async requests(sent) {
    const request = new Uint8Array(72);
    request.set([0, 1, 0, 52, 0x21, 0x12, 0xa4, 0x42]);
    request.set([0, 6, 0, 8], 20);
    let [count, answers] = [0, 0];
    const stun = await openStun(capture, 4, ({ message }) => void (message.length === 72 ? count++ : answers++));
    await stun.passRequests?.({ tags: Array.from({ length: 400 }, (_, i) => i) });
    const server = await openServer();
    const began = performance.now();
    for (let i = 0; i < Number(sent); i += 1) {
      server.send(request, PORT, '127.0.0.1');
      // The kernel's buffer has room for some hundred; what is heard gets its turn in between.
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // Answers are not among those that are limited.
    while (answers === 0) {
      server.send(response, PORT, '127.0.0.1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const ms = performance.now() - began;
    await stun[Symbol.asyncDispose]();
    server.close();
    process.stdout.write(`${JSON.stringify({ count, ms })}\n`);
  },

  /** Methods with no bytes, which are no memory either; prints what was refused. */
  async empty() {
    const native = loadNative(addonPath);
    const { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_RCVBUF } = native.constants;
    const socket = native.open(AF_INET, SOCK_DGRAM, 0);
    const none = new Uint8Array();
    const refused = [
      () => native.bind(socket, none),
      () => native.connect(socket, none),
      () => native.attachFilter(socket, none),
      () => native.setOption(socket, SOL_SOCKET, SO_RCVBUF, none),
      () => native.send(socket, none, none),
    ].map((call) => {
      try {
        call();
        return 'ok';
      } catch (error) {
        return isSystemError(error) ? error.code : String(error);
      }
    });
    native.limit(socket, 1, 1, none);
    native.close(socket);
    process.stdout.write(`${refused.join(' ')}\n`);
  },

  /** Several workers at once, each with its own sockets; half of them end without closing, half are terminated. */
  async workers(count) {
    const ends = Array.from({ length: Number(count || 6) }, async (_, i) => {
      const worker = new Worker(new URL(import.meta.url), { argv: ['worker', i % 2 === 0 ? 'stay' : 'exit'] });
      // A worker that ends at once tells both in one turn.
      const exit = once(worker, 'exit');
      const [text] = (await once(worker, 'message')) as [string];
      if (i % 2 === 0) await worker.terminate();
      await exit;
      return text;
    });
    process.stdout.write(`${(await Promise.all(ends)).join(' ')}\n`);
    for (let i = 0; i < 1000 && resources().threads > 12; i += 1) await collect();
    process.stdout.write(`${JSON.stringify(resources())}\n`);
  },
  /** What closes all that it opens, in one process: a sanitizer's process is slow to start. */
  async tidy() {
    for (const [name, argument] of [
      ['cycles', '150'],
      ['inside'],
      ['flood'],
      ['requests', '3000'],
      ['empty'],
      ['listener'],
    ] as const)
      await lives[name]?.(argument ?? '');
  },
  async worker(how) {
    const { parentPort } = await import('node:worker_threads');
    const heard = createGate();
    await openStun(capture, 4, () => heard.resolve());
    const echoed = createGate();
    const echo = await openEcho(capture, 6, () => echoed.resolve());
    const server = await openServer();
    server.send(response, PORT, '127.0.0.1');
    await echo.send(ping(6), '::1');
    await Promise.all([heard.promise, echoed.promise]);
    parentPort?.postMessage('heard');
    if (how === 'exit') process.exit(0);
  },

  /** Opens everything, with a firewall mark; prints the codes of what was refused. */
  async marked() {
    const codes: string[] = [];
    for (const family of [4, 6] as const) {
      const stun = { family, localPort: PORT, excludeDevice: '', firewallMark: 5, signal: never };
      await capture.openStunSocket({ ...stun, onMessage: () => {}, onFault: () => {} }).then(
        (socket) => socket[Symbol.asyncDispose](),
        (error) => codes.push(error.code),
      );
      await openEcho(capture, family, () => {}).then(
        (socket) => socket[Symbol.asyncDispose](),
        (error) => codes.push(error.code),
      );
    }
    process.stdout.write(`user ${process.getuid?.()} refused ${codes.join(' ')}\n`);
  },

  /** Opens what an unprivileged user may not; prints the codes. */
  async nobody() {
    process.setgroups?.([]);
    process.setgid?.(65534);
    process.setuid?.(65534);
    const codes: string[] = [];
    for (const family of [4, 6] as const)
      for (const open of [openStun, openEcho])
        await open(capture, family, () => {}).catch((error) => codes.push(`${error.code}: ${error.message}`));
    codes.push(String((await capture.listInterfaces()).length > 0));
    await (await capture.watchNetwork({ onChange: () => {}, onFault: () => {} }))[Symbol.asyncDispose]();
    process.stdout.write(`${codes.join('\n')}\n`);
  },
};

const [name = '', argument = ''] = process.argv.slice(2);
await lives[name]?.(argument);
