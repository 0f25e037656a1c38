/** A real network of nodes on loopback for the tests, in a process of its own, and stores over it. */
import { type ChildProcess, fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Endpoint, OpenDatagrams, Store, StoreComponents } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import { openPlainDatagrams } from '#src/datagrams.js';
import dhtStore from '#src/index.js';

export const clock = createSystemClock();

export interface Network extends AsyncDisposable {
  readonly ports: readonly number[];
  /** Ends the last `count` nodes. */
  end(count: number): Promise<void>;
  open(components?: Partial<StoreComponents>): Promise<Store>;
}

export async function openNetwork(count: number): Promise<Network> {
  const child: ChildProcess = fork(join(import.meta.dirname, '../../test/lab/nodes.mjs'), [String(count)]);
  const ready = once(child, 'message') as Promise<[{ ports: number[] }]>;
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the nodes ended with ${code}`)));
  ended.catch(() => {});
  const [{ ports }] = await Promise.race([ready, ended]);
  return {
    ports,
    async end(dead) {
      child.send({ end: dead });
      await once(child, 'message');
    },
    open: (components = {}) => openStore(ports[0] ?? 0, components),
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await ended.catch(() => {});
    },
  };
}

export function openStore(bootstrapPort: number, components: Partial<StoreComponents> = {}): Promise<Store> {
  const config = { bootstrap: [`127.0.0.1:${bootstrapPort}`] };
  return dhtStore.open(config, { clock, logger: createMemoryLogger(), ...components });
}

/** Sockets over a bad line: each answer is delayed, and some are lost. `sent` counts what goes out. */
export function badLine(options: { readonly delayMs: () => number; readonly lost: () => boolean }) {
  const counter = { sent: 0 };
  const openDatagrams: OpenDatagrams = async ({ family, onMessage, onFault }) => {
    const ended = new AbortController();
    const socket = await openPlainDatagrams({
      family,
      onFault,
      onMessage(message, from) {
        if (options.lost()) return;
        clock.sleep(options.delayMs(), ended.signal).then(
          () => onMessage(message, from),
          () => {},
        );
      },
    });
    return {
      send(message, to) {
        counter.sent += 1;
        return socket.send(message, to);
      },
      async [Symbol.asyncDispose]() {
        ended.abort();
        await socket[Symbol.asyncDispose]();
      },
    };
  };
  return { openDatagrams, counter };
}

/** A node that answers each query with whatever bytes `answer` makes of it. */
export async function openLiar(
  answer: (query: Uint8Array, from: Endpoint, port: number) => readonly Uint8Array[],
): Promise<{ readonly port: number; readonly asked: () => number } & AsyncDisposable> {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (query, { address, port }) => {
    asked += 1;
    const own = socket.address().port;
    for (const bytes of answer(query, { family: 4, address, port }, own)) socket.send(bytes, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, 'close');
    },
  };
}
