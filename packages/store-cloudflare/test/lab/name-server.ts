/** Debian's NSD as the zone's name server on loopback, unpacked aside: installing it would enable a service. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock } from '@stunmesh/core/testing';
import type { Nsd } from './nsd.js';

export interface NameServer extends AsyncDisposable {
  /** `ADDRESS:PORT`, as setServers takes it. */
  readonly address: string;
  /** Serves these records, each a line of a zone file, and resolves when it does. */
  publish(lines: readonly string[]): Promise<void>;
}

export interface NameServerOptions {
  readonly nsd: Nsd;
  readonly zone: string;
  readonly host?: string;
  /** A free one where nothing is said. */
  readonly port?: number;
}

/** Serves a zone. Errors: NSD does not start. */
export async function startNameServer(options: NameServerOptions): Promise<NameServer> {
  if (options.port !== undefined) return startOn(options, options.port);
  // A port that was free a moment ago may be another test's by now.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(options, await freePort(options.host ?? '127.0.0.1'));
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

/** So many answers of the new zone in a row, 5 ms apart: the old process is gone. */
const SURE = 20;

async function startOn(options: NameServerOptions, port: number): Promise<NameServer> {
  const { zone, host = '127.0.0.1' } = options;
  const { program, env } = options.nsd;
  const folder = await mkdtemp(join(tmpdir(), 'store-cloudflare-nsd-'));
  const zoneFile = join(folder, 'zone');
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`${host}:${port}`]);
  const clock = createSystemClock();
  let output = '';
  let serial = 0;
  let ended = false;

  const write = async (lines: readonly string[]): Promise<void> => {
    serial += 1;
    const head = [
      `$ORIGIN ${zone}.`,
      '$TTL 60',
      `@ SOA ns1 hostmaster ${serial} 3600 600 86400 5`,
      '@ NS ns1',
      `ns1 A ${host}`,
    ];
    await writeFile(zoneFile, `${[...head, ...lines].join('\n')}\n`);
  };

  const served = async (): Promise<void> => {
    let inARow = 0;
    for (let round = 0; round < 500; round += 1) {
      if (ended) throw new Error(`nsd ended: ${output}`);
      const soa = await resolver.resolveSoa(zone).catch(() => undefined);
      // While nsd reloads, its old process answers beside the new one: one right answer proves nothing.
      inARow = soa?.serial === serial ? inARow + 1 : 0;
      if (inARow === SURE) return;
      await clock.sleep(inARow > 0 ? 5 : 20);
    }
    throw new Error(`nsd does not serve version ${serial} of ${zone}: ${output}`);
  };

  await write([]);
  await writeFile(join(folder, 'nsd.conf'), configuration({ zone, host, port, folder, zoneFile }));
  const child = spawn(program, ['-d', '-c', join(folder, 'nsd.conf')], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // It is a family of processes: all of them go with this one.
  const endGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  process.on('exit', endGroup);
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    });
  child.on('error', (error) => {
    ended = true;
    output += error.message;
  });
  child.on('exit', () => {
    ended = true;
  });

  const server: NameServer = {
    address: `${host}:${port}`,
    async publish(lines) {
      await write(lines);
      child.kill('SIGHUP');
      await served();
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', endGroup);
      if (!ended) {
        const exit = once(child, 'exit');
        child.kill('SIGTERM');
        await exit;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await served();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

async function freePort(host: string): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, host);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

function configuration(o: { zone: string; host: string; port: number; folder: string; zoneFile: string }): string {
  return `server:
  ip-address: ${o.host}@${o.port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "${o.folder}"
  database: ""
  pidfile: "${o.folder}/nsd.pid"
  xfrdfile: "${o.folder}/xfrd.state"
  zonelistfile: "${o.folder}/zone.list"
  xfrdir: "${o.folder}"
  rrl-ratelimit: 0
  zonefiles-check: yes
  zonefiles-write: 0
remote-control:
  control-enable: no
zone:
  name: "${o.zone}"
  zonefile: "${o.zoneFile}"
`;
}
