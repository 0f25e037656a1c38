/** Proves the laboratory itself: it opens fast, two hosts can shake hands in it, and nothing of it outlives it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Lab, type LabProcess, must, openLab, REPOSITORY, sweepDeadLabs, until } from '../index.js';
import { inNamespace, LabProcess as Process } from '../processes.js';
import { labTest, skipReason } from '../steps/lab-test.js';
import { Probe } from '../steps/probe.js';

const PAIR = { sides: { a: {}, b: {} } };

function remains(name: string): string[] {
  return readdirSync('/run/netns').filter((namespace) => namespace.startsWith(`${name}-`));
}

/** An orphan that nobody has reaped yet is dead too. */
function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a laboratory is gone after its end', { skip: skipReason() }, async () => {
  let lab: Lab | undefined;
  let child: LabProcess | undefined;
  {
    await using scoped = await openLab({ sides: { a: { decoy: 9 }, b: {} }, routed: true, rttMs: 4 });
    lab = scoped;
    child = lab.host('a').spawn(['sh', '-c', 'sleep 600 & sleep 600']);
    // The public network, and for each side its host, router and provider; and the decoy.
    assert.equal(remains(lab.name).length, 8);
  }
  assert.deepEqual(remains(lab.name), []);
  assert.equal(child.running, false);
  assert.equal(existsSync(lab.dir), false);
  assert.equal(existsSync(`/var/run/wireguard/${lab.host('a').device}.sock`), false);
  await lab[Symbol.asyncDispose]();
});

test('a laboratory that cannot be opened leaves nothing', { skip: skipReason() }, async () => {
  const own = (name: string) => name.startsWith(`stl-${process.pid.toString(36)}-`);
  const look = () => [...readdirSync('/run/netns'), ...readdirSync(tmpdir())].filter(own);
  const before = look();
  await assert.rejects(openLab({ sides: { a: {}, b: { nats: ['none', 'full'] } } }), /cannot be one of two/);
  await assert.rejects(openLab({ sides: { a: {}, 'no such name/': {} } }));
  await assert.rejects(openLab({ sides: { a: { beside: 'b' }, b: {} } }), /no side b before it/);
  await assert.rejects(openLab({ sides: { a: { nats: ['none'] }, b: { beside: 'a' } } }), /behind a NAT/);
  await assert.rejects(openLab({ sides: { a: {}, b: { carrier: 'a' } } }), /the carrier's of a side with two/);
  await assert.rejects(openLab({ sides: { a: {} }, rttMs: 40 }), /needs `routed: true`/);
  // This one fails while it is furnished.
  await assert.rejects(openLab({ sides: { a: { decoy: 300 } }, routed: true }), /exit code/);
  const after = look();
  assert.deepEqual(after, before);
});

async function openElsewhere(): Promise<{ process: LabProcess; name: string; dir: string; pid: number }> {
  const process_ = new Process(undefined, [process.execPath, join(REPOSITORY, 'test/fixtures/e2e/open-lab.mjs')]);
  const line = await until(() => /^(\S+) (\S+) (\d+)\n/.exec(process_.stdout) ?? undefined, {
    what: 'a laboratory elsewhere',
  });
  return { process: process_, name: line[1] ?? '', dir: line[2] ?? '', pid: Number(line[3]) };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`a laboratory whose process gets ${signal} is torn down`, { skip: skipReason() }, async () => {
    const other = await openElsewhere();
    assert.ok(remains(other.name).length > 0);
    other.process.signal(signal);
    assert.equal((await other.process.exited).code, signal === 'SIGINT' ? 130 : 143);
    assert.deepEqual(remains(other.name), []);
    await until(() => !alive(other.pid), { what: 'its processes to end' });
    assert.equal(existsSync(other.dir), false);
  });
}

test('a killed laboratory loses its processes at once and its namespaces at the next sweep', {
  skip: skipReason(),
}, async () => {
  const other = await openElsewhere();
  await other.process.kill();
  try {
    await until(() => !alive(other.pid), { what: 'its processes to end' });
    assert.ok(remains(other.name).length > 0);
  } finally {
    sweepDeadLabs();
  }
  assert.deepEqual(remains(other.name), []);
  assert.equal(existsSync(other.dir), false);
});

test('a process whose laboratory was killed before it was tied to it ends by itself', {
  skip: skipReason(),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tied-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const gate = join(folder, 'gate');
  await must(undefined, ['mkfifo', gate]);
  // The shell stands for the laboratory: it starts a process that waits at the gate, and dies.
  const start = `(read -r _ <${gate}; exec "$@") >/dev/null 2>&1 & echo $!`;
  const command = inNamespace(undefined, ['sleep', '600']);
  const pid = await new Promise<number>((resolve, reject) => {
    execFile('sh', ['-c', start, 'sh', ...command], (error, output) =>
      error ? reject(error) : resolve(Number(output)),
    );
  });
  t.after(() => alive(pid) && process.kill(pid, 'SIGKILL'));
  assert.ok(alive(pid));
  await writeFile(gate, 'go\n');
  await until(() => !alive(pid), { what: 'the process to end', deadlineMs: 10_000 });
});

labTest(
  'coturn tells two hosts their addresses; endpoints set by hand shake hands and ping',
  { ...PAIR, coturn: [1, 2] },
  async (lab) => {
    const a = lab.host('a');
    const b = lab.host('b');
    for (const host of [a, b]) {
      const probe = new Probe((argv) => host.spawn(argv));
      const local = { address: host.plan.hostAddress, port: 40001 };
      await probe.bind(local);
      // RFC 8489: binding request, length 0, magic cookie, transaction id.
      await probe.send(
        local,
        { address: '203.0.113.1', port: 3478 },
        Buffer.from('000100002112a442000102030405060708090a0b', 'hex'),
      );
      const answer = await until(() => probe.received[0], { what: 'an answer of coturn' });
      assert.equal(answer.bytes.readUInt16BE(0), 0x0101);
      // XOR-MAPPED-ADDRESS comes first in coturn's answers: type, length, family, port, address.
      assert.equal(answer.bytes.readUInt16BE(20), 0x0020);
      assert.equal(answer.bytes.readUInt16BE(26) ^ 0x2112, 40001);
      const address = (answer.bytes.readUInt32BE(28) ^ 0x2112a442) >>> 0;
      const text = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
      assert.equal(text, host.publicAddress);
    }
    await a.setEndpoint(b, `${b.publicAddress}:51820`);
    await b.setEndpoint(a, `${a.publicAddress}:51820`);
    const [one, two] = await Promise.all([a.firstPing(b), b.firstPing(a)]);
    assert.ok(one !== undefined && two !== undefined);
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    assert.ok(((await a.deviceState()).peers[0]?.latestHandshakeAt ?? 0) > Date.now() - 60_000);
  },
);
