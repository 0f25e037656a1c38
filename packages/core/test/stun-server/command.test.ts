import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { addStunServerCommand } from '#src/cli/stun-server.js';
import { parseEndpoint } from '#src/net/index.js';
import { readMappedAddress } from '#src/stun/attributes.js';
import { formatMessage, parseMessage } from '#src/stun/message.js';

/** Runs the command alone, as the program's main file would. */
function run(t: TestContext, ...args: string[]) {
  const command = new URL('../../dist/cli/stun-server.js', import.meta.url);
  const script = `
    import { Command } from 'commander';
    import { addStunServerCommand } from '${command.href}';
    const program = new Command('stunmesh');
    addStunServerCommand(program);
    await program.parseAsync(process.argv.slice(1), { from: 'user' });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', 'stun-server', ...args], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** The same in this process, for what ends before it listens. */
async function runHere(...args: string[]): Promise<void> {
  const program = new Command('stunmesh').exitOverride();
  addStunServerCommand(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  await program.parseAsync(['stun-server', ...args], { from: 'user' });
}

test('stunmesh stun-server says what it listens on, answers, and exits 0 on SIGTERM and SIGINT', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const child = run(t, '--listen', '127.0.0.1:0', '--rate', '10');
    const [line] = await once(createInterface(child.stdout), 'line');
    const address = parseEndpoint(/^listening on (127\.0\.0\.1:\d+)$/.exec(line)?.[1] ?? '');
    assert.ok(address, line);
    const socket = createSocket('udp4');
    const request = { class: 'request', method: 1, transactionId: new Uint8Array(12), attributes: [] } as const;
    const received = once(socket, 'message');
    socket.send(formatMessage(request), address.port, address.address);
    const [bytes] = await received;
    const answer = parseMessage(bytes);
    assert.equal(answer && readMappedAddress(answer)?.port, socket.address().port);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  }
});

test('stunmesh stun-server with two addresses lists four sockets', async (t) => {
  const child = run(t, '--listen', '127.0.0.1:0', '--listen', '127.0.0.2:0');
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  for await (const line of reader) if (lines.push(line) === 4) break;
  assert.equal(new Set(lines).size, 4);
});

test('an IPv6 address to listen on may stand in brackets, with a port or without', async () => {
  // It was understood: only this host does not have it.
  for (const address of ['[2001:db8::1]', '[2001:db8::1]:3478', '2001:db8::1'])
    await assert.rejects(runHere('--listen', address), /cannot listen on \[2001:db8::1\]:3478/, address);
});

test('stunmesh stun-server names a mistake: no address, a name, a rate of 0, an address that is not here', async (t) => {
  const mistakes: [string[], RegExp][] = [
    [[], /--listen/],
    [['--listen', 'localhost'], /numeric address/],
    [['--listen', '[192.0.2.1]'], /numeric address/],
    [['--listen', '[2001:db8::1'], /numeric address/],
    [['--listen', '127.0.0.1:0', '--rate', '0'], /whole number/],
    [['--listen', '127.0.0.1:0', '--total-rate', 'x'], /whole number/],
    [['--listen', '127.0.0.1:0', '--metrics', 'localhost:1'], /numeric address and a port/],
    [['--listen', '127.0.0.1:0', '--metrics', '0.0.0.0:0'], /no loopback address; add --metrics-remote/],
    [['--listen', '127.0.0.1:0', '--metrics', '192.0.2.1:1', '--metrics-remote'], /does not have that address/],
    [['--listen', '127.0.0.1:0', '--alternate-port', '70000'], /1 to 65535/],
    [['--listen', '192.0.2.1:0'], /cannot listen on 192\.0\.2\.1:0: this host does not have that address/],
  ];
  for (const [args, wanted] of mistakes) await assert.rejects(runHere(...args), wanted);
  const child = run(t, '--listen', 'localhost');
  assert.deepEqual(await once(child, 'exit'), [1, null]);
});

test('stunmesh stun-server --metrics serves counts of what became of datagrams', async (t) => {
  const child = run(t, '--listen', '127.0.0.1:0', '--metrics', '127.0.0.1:0');
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) if (lines.push(line) === 2) break;
  const [, port = ''] = /^listening on 127\.0\.0\.1:(\d+)$/.exec(lines[0] ?? '') ?? [];
  const [, url = ''] = /^metrics on (http:\/\/127\.0\.0\.1:\d+)\/metrics$/.exec(lines[1] ?? '') ?? [];
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const request = { class: 'request', method: 1, transactionId: new Uint8Array(12), attributes: [] } as const;
  const received = once(socket, 'message');
  socket.send(new Uint8Array(3), Number(port), '127.0.0.1');
  socket.send(formatMessage(request), Number(port), '127.0.0.1');
  await received;
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of [
    'stunmesh_stun_server_datagrams_total{outcome="answered"} 1',
    'stunmesh_stun_server_datagrams_total{outcome="ignored"} 1',
    'stunmesh_stun_server_datagrams_total{outcome="limited"} 0',
    'stunmesh_stun_server_receive_bytes_total 23',
    'stunmesh_stun_server_transmit_bytes_total 32',
    'stunmesh_stun_server_sources 1',
  ])
    assert.ok(text.includes(`\n${line}\n`), `${line} in\n${text}`);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});
