import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Endpoint, hasCode } from '#src/api/index.js';
import { createEndpoint, parseAddress } from '#src/net/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createAgent } from '#src/stun/agent.js';
import { discover } from '#src/stun/discover.js';
import { LYING_MODES, type LyingMode, openLyingStunServer } from '#src/testing/lying-stun-server.js';

async function lying(t: TestContext, mode: LyingMode) {
  const server = await openLyingStunServer({ mode, address: '127.0.0.1', port: 0 });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

/** A discovery against a server on loopback: the socket's face shows TEST-NET addresses, because loopback ones are refused (F19, F7). */
async function discoverBy(t: TestContext, server: Endpoint, timeoutMs: number) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const face = (port: number) => createEndpoint(parseAddress('198.51.100.1') ?? new Uint8Array(4), port);
  const { port } = socket.address();
  const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
  return discover({
    family: 4,
    listenPort: port,
    servers: [`198.51.100.1:${server.port}`],
    agent: createAgent({
      clock: createSystemClock(),
      random,
      binding: () => ({ port, key: '' }),
      openSocket: async (on) => {
        socket.on('message', (message, from) => on.onMessage({ message, from: face(from.port), to: face(port) }));
        return {
          send: (message, to) =>
            new Promise<void>((resolve) => socket.send(message, to.port, '127.0.0.1', () => resolve())),
          async [Symbol.asyncDispose]() {
            socket.removeAllListeners('message');
          },
        };
      },
    }),
    resolve: async () => [],
    ownAddresses: [],
    clock: createSystemClock(),
    timeoutMs,
    signal: new AbortController().signal,
  });
}

test('F1 F7 a lying server never gives a discovery its lie', async (t) => {
  /** One that names a believable address is found out by the others alone. */
  type Knowable = Exclude<LyingMode, 'elsewhere'>;
  const ended: Readonly<Record<Knowable, 'ERR_STUN_NO_RESPONSE' | 'ERR_STUN_REFUSED'>> = {
    silent: 'ERR_STUN_NO_RESPONSE',
    'wrong-transaction-id': 'ERR_STUN_NO_RESPONSE',
    'wrong-source': 'ERR_STUN_REFUSED',
    garbage: 'ERR_STUN_NO_RESPONSE',
    'error-response': 'ERR_STUN_REFUSED',
    'zero-address': 'ERR_STUN_REFUSED',
    'no-attribute': 'ERR_STUN_REFUSED',
    // It tells the truth, which on loopback is a loopback address.
    'mapped-only': 'ERR_STUN_REFUSED',
  };
  await Promise.all(
    Object.keys(ended).map(async (key) => {
      const mode = key as Knowable;
      const server = await lying(t, mode);
      await assert.rejects(discoverBy(t, server.address, 300), (e) => {
        assert.ok(hasCode(e, ended[mode]), `${mode}: ${String(e)}`);
        if (mode === 'mapped-only') assert.match(String(e), /127\.0\.0\.1:\d+ \(loopback\)/);
        return true;
      });
      assert.equal(server.requests, 1, mode);
    }),
  );
});

test('as a script it says what it listens on, and ends on SIGTERM', async (t) => {
  const script = fileURLToPath(new URL('../../dist/testing/lying-stun-server.js', import.meta.url));
  const child = spawn(process.execPath, [script, 'silent', '127.0.0.1', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  assert.match(line, /^silent on 127\.0\.0\.1:\d+$/);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('as a script it names its modes when called wrongly', async () => {
  const script = fileURLToPath(new URL('../../dist/testing/lying-stun-server.js', import.meta.url));
  const child = spawn(process.execPath, [script, 'honest'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const texts: string[] = [];
  child.stderr.on('data', (chunk) => texts.push(String(chunk)));
  const [code] = await once(child, 'close');
  assert.equal(code, 2);
  for (const mode of LYING_MODES) assert.ok(texts.join('').includes(mode), mode);
});
