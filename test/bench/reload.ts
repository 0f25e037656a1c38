/** How long a reload of 10,000 peers holds up the event loop of a daemon. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Daemon, daemonConfig, openLab, REPOSITORY, sleep, until } from '../e2e/lab/index.js';
import { CROWD_SPEC } from '../e2e/lab/steps/crowd.js';
import type { Report } from './report.js';

const COUNT = 10_000;
const TARGET_MS = 100;
const LIMIT_MS = 120_000;
/** What a reload sets in motion has ended by then, and the first refresh in six times as long. */
const SETTLE_MS = 5_000;

interface Block {
  readonly clockMs: number;
  readonly processorMs: number;
}

export async function benchReload(report: Report, runs: number): Promise<void> {
  report.title(`Reload with ${COUNT} peers in the file: longest block of the event loop, ${runs} reloads each`);
  await using lab = await openLab(CROWD_SPEC);
  const host = lab.host('a');
  const blocksFile = join(lab.dir, 'blocks');
  const config = (round: number) => ({
    ...daemonConfig(host, lab, { refreshInterval: '1h', extra: { log: { level: 'info' } } }),
    plugins: { folder: { type: 'builtin', name: 'file', path: lab.storeDir } },
    interfaces: { [host.device]: { protocol: 'ipv4', peers: peersOf(round) } },
  });
  const preload = `--import ${join(REPOSITORY, 'test/fixtures/bench/event-loop.mjs')}`;
  const env = { NODE_OPTIONS: preload, STUNMESH_BENCH_BLOCKS: blocksFile };
  const daemon = await host.startDaemon({ config: config(0), env });
  await until(() => daemon.log().includes('"started"'), { what: 'the daemon', deadlineMs: LIMIT_MS });
  await sleep(6 * SETTLE_MS);
  let round = 0;
  for (const kind of ['unchanged file', 'half of the peers changed'] as const) {
    const blocks: Block[] = [];
    for (let run = 0; run < runs; run += 1) {
      if (kind !== 'unchanged file') round += 1;
      blocks.push(await longestBlock(daemon, config(round), blocksFile));
    }
    report.row({
      what: `${kind}, by the clock`,
      values: blocks.map(({ clockMs }) => clockMs),
      unit: 'ms',
      target: TARGET_MS,
    });
    report.row({ what: `${kind}, processor time`, values: blocks.map(({ processorMs }) => processorMs), unit: 'ms' });
  }
}

function peersOf(round: number): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Array.from({ length: COUNT }, (_, n) => {
      const publicKey = Buffer.from(String(n).padStart(32, '0')).toString('base64');
      return [`p${n}`, { public_key: publicKey, plugin: 'folder', description: `${n % 2 === 0 ? round : 'the same'}` }];
    }),
  );
}

async function longestBlock(
  daemon: Daemon,
  config: Readonly<Record<string, unknown>>,
  blocksFile: string,
): Promise<Block> {
  const done = () => daemon.log().split('configuration reloaded').length;
  const before = done();
  await writeFile(blocksFile, '');
  await daemon.reload(config);
  await until(() => done() > before, { what: 'the reload', deadlineMs: LIMIT_MS });
  await sleep(SETTLE_MS);
  const lines = (await readFile(blocksFile, 'utf8')).split('\n').filter((line) => line !== '');
  const blocks = lines.map((line) => line.split(' ').map(Number));
  return {
    clockMs: Math.max(0, ...blocks.map(([clock = 0]) => clock)),
    processorMs: Math.max(0, ...blocks.map(([, processor = 0]) => processor)),
  };
}
