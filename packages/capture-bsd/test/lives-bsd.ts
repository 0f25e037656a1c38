/** Programs that use the addon and end in various ways; a test starts each as a process of its own: `node lives-bsd.js NAME [ARGUMENT]`. */
import { once } from 'node:events';

import { Worker } from 'node:worker_threads';
import { encodeSockaddr } from '@stunmesh/core/capture-kit';
import { createStunFilter, PACKET_LAYOUTS } from '@stunmesh/core/net';
import { collect, createGate, measureRounds, resources } from '@stunmesh/core/testing/capture-lab';
import { type BpfDevice, openBpfDevice } from '#src/bpf-device.js';
import { loadNative } from '#src/native.js';
import { emulatedAddon } from './addon-lab.js';

const PORT = 51820;
const native = loadNative(process.env['STUNMESH_TEST_ADDON'] ?? emulatedAddon());
const { AF_INET, SOCK_DGRAM } = native.constants;

/** Of scripted0 three frames come at once; of lo those that are sent to the port. */
function openDevice(interfaceName: string, onFrame: () => void): BpfDevice {
  return openBpfDevice(native, {
    interfaceName,
    filter: () => createStunFilter(PACKET_LAYOUTS.NULL, { localPort: PORT }),
    onFrame(error) {
      if (error) throw error;
      onFrame();
    },
  });
}

/** A reading UDP socket of the shared half, and how to send to it. */
function openUdp(onPacket: () => void) {
  const socket = native.open(AF_INET, SOCK_DGRAM, 0);
  native.bind(socket, encodeSockaddr(native, '127.0.0.1', 0));
  native.start(socket, 2048, onPacket);
  const sender = native.open(AF_INET, SOCK_DGRAM, 0);
  native.connect(sender, native.localAddress(socket));
  return {
    send: () => native.send(sender, Uint8Array.of(1, 2, 3), new Uint8Array(0)),
    close() {
      native.close(socket);
      native.close(sender);
    },
  };
}

/** A sender of STUN responses to the port, for devices on lo. */
function openServer() {
  const socket = native.open(AF_INET, SOCK_DGRAM, 0);
  const to = encodeSockaddr(native, '127.0.0.1', PORT);
  const response = Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(9));
  return {
    // Nobody listens there, which a later send is told; the frame has passed all the same.
    send() {
      try {
        native.send(socket, response, to);
      } catch {
        native.send(socket, response, to);
      }
    },
    close: () => native.close(socket),
  };
}

async function oneCycle(round: number): Promise<void> {
  const framed = createGate();
  const heard = createGate();
  let frames = 0;
  const device = openDevice('scripted0', () => {
    frames += 1;
    if (frames === 3) framed.resolve();
  });
  const udp = openUdp(heard.resolve);
  udp.send();
  // Even rounds wait for what comes; odd ones close while it is on its way.
  if (round % 2 === 0) await Promise.all([framed.promise, heard.promise]);
  native.listInterfaces();
  udp.close();
  device.close();
}

const lives: Record<string, (argument: string) => Promise<void>> = {
  /** Prints the resources before and after that many cycles. */
  async cycles(count) {
    process.stdout.write(`${JSON.stringify(await measureRounds(Number(count), 300, oneCycle))}\n`);
  },

  /** Devices that were never read are forgotten: the collector closes them. */
  async forgotten(count) {
    await collect();
    const before = resources();
    for (let round = 0; round < Number(count); round += 1) {
      native.setBpfImmediate(native.openBpf());
      if (round % 50 === 0) await collect();
    }
    for (let i = 0; i < 100 && resources().descriptors.length > before.descriptors.length; i += 1) await collect();
    // Before stdout is touched, which opens a descriptor of Node's own.
    const after = resources();
    process.stdout.write(`${JSON.stringify({ before, after })}\n`);
  },

  /** Forgets devices without closing them: open ones go on, the process is told to end. */
  async exit(how) {
    const heard = createGate();
    openDevice('lo', heard.resolve);
    openDevice('scripted0', () => {});
    const server = openServer();
    // A flood, so that frames arrive while it ends.
    for (let i = 0; i < 200; i += 1) server.send();
    await heard.promise;
    process.stdout.write('heard\n');
    if (how === 'exit') process.exit(0);
    if (how === 'throw') throw new Error('on purpose');
    if (how === 'kill') process.kill(process.pid, 'SIGTERM');
  },

  /** A listener that throws: the process hears of it as of any uncaught exception, and the device goes on. */
  async listener() {
    const messages: string[] = [];
    const done = createGate();
    process.on('uncaughtException', (error) => {
      messages.push(error.message);
      if (messages.length === 3) done.resolve();
    });
    let count = 0;
    const device = openDevice('scripted0', () => {
      count += 1;
      throw new Error(`thrown ${count}`);
    });
    await done.promise;
    device.close();
    process.stdout.write(`${messages.join(', ')}\n`);
  },

  /** Closes the device inside its own listener. */
  async inside() {
    let count = 0;
    const done = createGate();
    const device = openDevice('scripted0', () => {
      count += 1;
      device.close();
      done.resolve();
    });
    await done.promise;
    await collect();
    process.stdout.write(`closed after ${count}\n`);
  },

  /** More frames than the queue holds while JavaScript is busy; then it closes with the queue full. */
  async flood() {
    let count = 0;
    const device = openDevice('lo', () => {
      count += 1;
    });
    const server = openServer();
    for (let i = 0; i < 300; i += 1) server.send();
    const end = process.hrtime.bigint() + 50_000_000n;
    while (process.hrtime.bigint() < end);
    device.close();
    const atClose = count;
    await collect();
    server.close();
    process.stdout.write(`${count - atClose}\n`);
  },

  /** Several workers at once, each with its own devices; half of them end without closing, half are terminated. */
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
      ['cycles', '200'],
      ['forgotten', '50'],
      ['inside'],
      ['flood'],
      ['listener'],
    ] as const)
      await lives[name]?.(argument ?? '');
  },
  async worker(how) {
    const { parentPort } = await import('node:worker_threads');
    const heard = createGate();
    openDevice('scripted0', heard.resolve);
    const udp = openUdp(() => {});
    udp.send();
    await heard.promise;
    parentPort?.postMessage('heard');
    if (how === 'exit') process.exit(0);
  },

  /** Opens what an unprivileged user may not; prints the errors. */
  async nobody() {
    process.setgroups?.([]);
    process.setgid?.(65534);
    process.setuid?.(65534);
    const found: string[] = [];
    for (const attempt of [() => native.openBpf(), () => native.open(AF_INET, native.constants.SOCK_RAW, 17)])
      try {
        attempt();
      } catch (error) {
        found.push(String(error));
      }
    process.stdout.write(`${found.join('\n')}\n${native.listInterfaces().length > 0}\n`);
  },
};

const [name = '', argument = ''] = process.argv.slice(2);
await lives[name]?.(argument);
