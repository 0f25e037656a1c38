/** What a program costs: how fast it starts, and what it keeps in memory while it waits. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

const RUNS = 3;

/** In words; Linux alone, where /proc says it. @param {string} program a stunmesh in one file @returns {Promise<string>} */
export async function measure(program) {
  const times = Array.from({ length: RUNS }, () => {
    const began = performance.now();
    spawnSync(program, ['--version'], { stdio: 'ignore' });
    return performance.now() - began;
  });
  const server = spawn(program, ['stun-server', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
    const status = server.pid === undefined ? '' : readFileSync(`/proc/${server.pid}/status`, 'utf8');
    const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024;
    return `--version in ${Math.round(Math.min(...times))} ms, ${Math.round(resident)} MiB as an idle STUN server`;
  } finally {
    server.kill();
  }
}
