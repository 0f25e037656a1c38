import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { createFakeClock, settle } from '#src/testing/fake-clock.js';
import { unresolved } from '#src/underlay/dns-client.js';
import { createResolver } from '#src/underlay/resolver.js';

const live = () => new AbortController().signal;

async function hostsFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-hosts-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'hosts');
  await writeFile(path, text);
  return path;
}

/** A name server on loopback that knows A and AAAA records (RFC 1035 section 4), or says nothing. */
async function nameServer(t: TestContext, records: Readonly<Record<string, readonly number[][]>> | 'silent') {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => new Promise<void>((resolve) => socket.close(resolve)));
  let queries = 0;
  socket.on('message', (message, from) => {
    queries += 1;
    if (records === 'silent') return;
    const labels: string[] = [];
    let at = 12;
    for (let n = message[at] ?? 0; n > 0; n = message[at] ?? 0) {
      labels.push(message.subarray(at + 1, at + 1 + n).toString());
      at += 1 + n;
    }
    const type = message.readUInt16BE(at + 1);
    const found = records[labels.join('.')];
    const answers = (found ?? []).filter((a) => a.length === (type === 1 ? 4 : 16));
    const header = Buffer.from(message.subarray(0, 12));
    header.writeUInt16BE(found ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(answers.length, 6);
    header.writeUInt32BE(0, 8);
    const body = answers.flatMap((a) => [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, a.length, ...a]);
    socket.send(Buffer.concat([header, message.subarray(12, at + 5), Buffer.from(body)]), from.port, from.address);
  });
  return {
    address: `127.0.0.1:${socket.address().port}`,
    get queries() {
      return queries;
    },
  };
}

test('numeric addresses pass through in canonical text, without any query', async () => {
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: ['127.0.0.1:1'] });
  assert.deepEqual(await resolve('192.0.2.1', 4, live()), ['192.0.2.1']);
  assert.deepEqual(await resolve('2001:DB8:0::1', 6, live()), ['2001:db8::1']);
  await assert.rejects(resolve('192.0.2.1', 6, live()), (e) => hasCode(e, 'ERR_RESOLVE'));
});

test('the hosts file comes first, and is read afresh each time', async (t) => {
  const path = await hostsFile(
    t,
    '# comment\n192.0.2.1 stun.example  Other.Example # no.example\n2001:DB8::1\tstun.example\n192.0.2.2 stun.example.\nnonsense stun.example\n',
  );
  const resolve = createResolver({ hostsFile: path, nameServers: ['127.0.0.1:1'] });
  assert.deepEqual(await resolve('STUN.example', 4, live()), ['192.0.2.1', '192.0.2.2']);
  assert.deepEqual(await resolve('stun.example', 6, live()), ['2001:db8::1']);
  assert.deepEqual(await resolve('other.example', 4, live()), ['192.0.2.1']);
  await assert.rejects(resolve('no.example', 4, live()), (e) => hasCode(e, 'ERR_RESOLVE'));
  await writeFile(path, '192.0.2.9 no.example\n');
  assert.deepEqual(await resolve('no.example', 4, live()), ['192.0.2.9']);
});

test('DNS gives A and AAAA records; no such name and no such record are ERR_RESOLVE', async (t) => {
  const six = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
  const server = await nameServer(t, {
    'stun.example': [[192, 0, 2, 7], [192, 0, 2, 8], six],
    'four.example': [[192, 0, 2, 4]],
  });
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: [server.address] });
  assert.deepEqual(await resolve('stun.example', 4, live()), ['192.0.2.7', '192.0.2.8']);
  assert.deepEqual(await resolve('stun.example', 6, live()), ['2001:db8::7']);
  await assert.rejects(resolve('four.example', 6, live()), (e) => {
    assert.ok(hasCode(e, 'ERR_RESOLVE'));
    assert.match(String(e), /four\.example does not resolve to an IPv6 address: the name has no such address/);
    return true;
  });
  await assert.rejects(resolve('gone.example', 4, live()), /no such name/);
});

test('an abort ends a query that nobody answers, with the signal’s reason', { timeout: 60_000 }, async (t) => {
  const server = await nameServer(t, 'silent');
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: [server.address] });
  const abort = new AbortController();
  const query = resolve('stun.example', 4, abort.signal);
  while (server.queries === 0) await new Promise((next) => setImmediate(next));
  abort.abort(new StunmeshError('ERR_DEADLINE', 'too late'));
  await assert.rejects(query, (e) => hasCode(e, 'ERR_DEADLINE'));
  await assert.rejects(resolve('stun.example', 4, abort.signal), (e) => hasCode(e, 'ERR_DEADLINE'));
});

test('a name server that is not there, and a text that is no name, are ERR_RESOLVE with the reason', async () => {
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: ['127.0.0.1:1'] });
  await assert.rejects(resolve('stun.example', 4, live()), /no name server can be reached/);
  await assert.rejects(resolve('not a..name', 4, live()), (e) => hasCode(e, 'ERR_RESOLVE'));
});

test('F5 past a tunnel and through it are asked at once: one answer suffices, and the other way is let go', {
  timeout: 60_000,
}, async (t) => {
  const server = await nameServer(t, { 'inside.example': [[10, 64, 0, 7]] });
  const signals: AbortSignal[] = [];
  const resolveBeside = (ask: (signal: AbortSignal) => Promise<readonly string[]>, nameServer: string) =>
    createResolver({
      hostsFile: '/nonexistent',
      nameServers: [nameServer],
      ask(_host, _family, signal) {
        signals.push(signal);
        return ask(signal);
      },
    });
  const hangs = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  const fails = async (): Promise<never> => {
    throw new StunmeshError('ERR_RESOLVE', 'past the tunnel nobody answers');
  };
  assert.deepEqual(await resolveBeside(hangs, server.address)('inside.example', 4, live()), ['10.64.0.7']);
  assert.ok(signals[0]?.aborted);
  assert.deepEqual(await resolveBeside(fails, server.address)('inside.example', 4, live()), ['10.64.0.7']);
  const silent = await nameServer(t, 'silent');
  assert.deepEqual(await resolveBeside(async () => ['192.0.2.1'], silent.address)('a.example', 4, live()), [
    '192.0.2.1',
  ]);
  await assert.rejects(resolveBeside(fails, server.address)('gone.example', 4, live()), /past the tunnel nobody/);
  const caller = new AbortController();
  const asked = resolveBeside(hangs, silent.address)('a.example', 4, caller.signal);
  setImmediate(() => caller.abort(new StunmeshError('ERR_DEADLINE', 'too late')));
  await assert.rejects(asked, (e) => hasCode(e, 'ERR_DEADLINE'));
});

test('F80 a short name is found by the search list, and what is said of a name that is nowhere is said of it as written', async (t) => {
  const server = await nameServer(t, { 'stun.lan.example': [[192, 0, 2, 7]], 'deep.stun.example': [[192, 0, 2, 8]] });
  const resolvConf = await hostsFile(t, 'search other.example lan.example example\n');
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: [server.address], resolvConf });
  assert.deepEqual(await resolve('stun', 4, live()), ['192.0.2.7']);
  assert.equal(server.queries, 2, 'in the order of the list, and no further');
  assert.deepEqual(await resolve('deep.stun', 4, live()), ['192.0.2.8']);
  await assert.rejects(resolve('gone', 4, live()), /gone does not resolve.*no such name/);
  await assert.rejects(resolve('stun.', 4, live()), /no such name/);
  await assert.rejects(resolve('stun', 6, live()), /no such/);
});

test('F80 a name server that fails ends the search: whether a name exists is not known', async (t) => {
  const resolvConf = await hostsFile(t, 'search lan.example\n');
  const resolve = createResolver({ hostsFile: '/nonexistent', nameServers: ['127.0.0.1:1'], resolvConf });
  await assert.rejects(resolve('stun', 4, live()), /no name server can be reached/);
});

test('F80 past a tunnel the search list counts too, and a way that hangs holds nothing up once the other says no', {
  timeout: 60_000,
}, async (t) => {
  const silent = await nameServer(t, 'silent');
  const resolvConf = await hostsFile(t, 'search other.example lan.example\n');
  const asked: string[] = [];
  const clock = createFakeClock();
  const resolve = createResolver({
    hostsFile: '/nonexistent',
    nameServers: [silent.address],
    resolvConf,
    clock,
    async ask(host, family) {
      asked.push(host);
      if (host === 'stun.lan.example') return ['192.0.2.9'];
      throw unresolved(host, family, 'no such name', true);
    },
  });
  const found = resolve('stun', 4, live());
  while (clock.pending === 0) await settle(1);
  await clock.advance(1_000);
  assert.deepEqual(await found, ['192.0.2.9']);
  assert.deepEqual(asked, ['stun.other.example', 'stun.lan.example']);
});
