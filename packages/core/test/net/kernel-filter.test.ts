import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { endianness } from 'node:os';
import { test } from 'node:test';
import { assembleBpf, type BpfInstruction, bpf, encodeBpf } from '#src/net/bpf.js';
import { DROP_ALL } from '#src/net/stun-filter.js';
import { LAYOUTS } from './link-layers.js';
import { disagreements, MATCHES, type MatchName, programOf, tableOf } from './packet-table.js';

/** A filter works on every kind of Linux socket, so a pair of local ones takes any bytes, needs no root, and asks the real thing. */
const JUDGE = `
import ctypes, json, socket, struct, sys
jobs = json.load(sys.stdin)
answer = []
for job in jobs:
    program = ctypes.create_string_buffer(bytes.fromhex(job["program"]))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.setblocking(False)
    fprog = struct.pack("HL", (len(program) - 1) // 8, ctypes.addressof(program))
    there.setsockopt(socket.SOL_SOCKET, 26, fprog)
    kept = []
    for packet in job["packets"]:
        here.send(bytes.fromhex(packet))
        try:
            kept.append(len(there.recv(65536)))
        except BlockingIOError:
            kept.append(-1)
    answer.append(kept)
    here.close()
    there.close()
print(json.dumps(answer))
`;

interface Job {
  readonly program: readonly BpfInstruction[];
  readonly packets: readonly Uint8Array[];
}

/** For each job and packet how many bytes the kernel kept; -1: dropped. */
function askKernel(jobs: readonly Job[]): number[][] {
  const input = JSON.stringify(
    jobs.map(({ program, packets }) => ({
      program: Buffer.from(encodeBpf(program, endianness())).toString('hex'),
      packets: packets.map((packet) => Buffer.from(packet).toString('hex')),
    })),
  );
  return JSON.parse(
    execFileSync('python3', ['-c', JUDGE], { input, encoding: 'utf8', maxBuffer: 2 ** 26 }),
  ) as number[][];
}

function missing(): string | undefined {
  if (process.platform !== 'linux') return "needs Linux: these are its kernel's own verdicts";
  if (spawnSync('python3', ['-c', '']).status !== 0) return 'needs python3';
  return undefined;
}

const skip = missing() ?? false;

test("F3 Linux's own classic BPF says the same of every packet of the table", { skip }, () => {
  for (const match of Object.keys(MATCHES) as MatchName[]) {
    const tables = LAYOUTS.map((name) => ({ name, table: tableOf(name) }));
    const jobs = tables.map(({ name, table }) => ({
      program: programOf(name, match),
      packets: table.map(({ frame }) => frame),
    }));
    const kept = askKernel(jobs);
    for (const [i, { name, table }] of tables.entries()) {
      const lengths = kept[i] ?? [];
      const verdicts = lengths.map((length) => length >= 0);
      assert.deepEqual(disagreements(table, match, verdicts), [], `${name}, matched by ${match}`);
      for (const [j, { frame, what }] of table.entries())
        if (verdicts[j]) assert.equal(lengths[j], frame.length, `${name}, ${what}: handed over whole`);
    }
  }
});

test("F4 Linux's own classic BPF drops all by the drop-all program, and cuts where a program says so", { skip }, () => {
  const packets = [Uint8Array.of(1, 2, 3, 4, 5), new Uint8Array(1500)];
  const cut = assembleBpf([bpf.keep(3)]);
  assert.deepEqual(
    askKernel([
      { program: DROP_ALL, packets },
      { program: cut, packets },
    ]),
    [
      [-1, -1],
      [3, 3],
    ],
  );
});
