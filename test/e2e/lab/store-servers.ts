/** Back ends of stores on the laboratory's public network: a real Redis, nodes of the DHT, and the stand-in for Cloudflare's API behind TLS. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findRedis } from './aside.js';
import { type Lab, REPOSITORY } from './open-lab.js';
import { type LabProcess, must } from './processes.js';
import { PUBLIC_ADDRESSES } from './spec.js';
import { until } from './wait.js';

const ADDRESS = PUBLIC_ADDRESSES[0] ?? '';
/** Of the stand-in (packages/store-cloudflare/test/lab/api-server.ts). */
const TOKEN = 'test-token-0123456789abcdefghijklmnopqrst';

type Plugin = Readonly<Record<string, unknown>>;

export interface StoreServer {
  /** For the configuration of a daemon, and what its environment needs. */
  readonly plugin: Plugin;
  readonly env: Readonly<Record<string, string>>;
  readonly process: LabProcess;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, empty. */
  start(): Promise<void>;
}

async function startServer(
  parts: Pick<StoreServer, 'plugin' | 'env'>,
  spawn: () => LabProcess,
  ready: string,
): Promise<StoreServer> {
  let child = spawn();
  const listening = () =>
    until(
      () => {
        if (!child.running) throw new Error(`a store's server ended: ${child.stdout}${child.stderr}`);
        return child.stdout.includes(ready);
      },
      { what: "a store's server to listen", pollMs: 10 },
    );
  await listening();
  return {
    ...parts,
    get process() {
      return child;
    },
    kill: () => child.kill(),
    async start() {
      child = spawn();
      await listening();
    },
  };
}

/** A redis-server at 203.0.113.1:6379. `host`: as the configuration writes it. Errors: those of findRedis. */
export async function startRedis(lab: Lab, host = ADDRESS): Promise<StoreServer> {
  const { program, env } = await findRedis();
  const argv = [
    program,
    '--bind',
    ADDRESS,
    '--port',
    '6379',
    '--protected-mode',
    'no',
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const plugin = { type: 'builtin', name: 'redis', url: `redis://${host}:6379` };
  const spawn = () => lab.spawn(lab.publicNamespace, argv, { env, cwd: lab.dir });
  return await startServer({ plugin, env: {} }, spawn, 'Ready to accept connections');
}

export interface DhtOptions {
  /** As the configuration writes the first node's. Default: its address. */
  readonly host?: string;
  /** Half of the nodes are dead, and what the others send is delayed by 60 to 180 ms, and lost to 8 %. */
  readonly rough?: boolean;
}

/** Thirty real nodes of the DHT at 203.0.113.1, entered by the first of them. */
export async function startDht(lab: Lab, { host = ADDRESS, rough = false }: DhtOptions = {}): Promise<StoreServer> {
  const program = join(REPOSITORY, 'packages/store-dht/test/lab/nodes.mjs');
  const argv = [process.execPath, program, '30', ADDRESS, '6881', ...(rough ? ['rough'] : [])];
  const plugin = { type: 'builtin', name: 'dht', bootstrap: [`${host}:6881`] };
  return await startServer({ plugin, env: {} }, () => lab.spawn(lab.publicNamespace, argv), 'ready');
}

/** The stand-in for Cloudflare's API at https://203.0.113.1:8443, with a certificate that the daemons are told to trust. */
export async function startCloudflare(lab: Lab): Promise<StoreServer> {
  const folder = join(lab.dir, 'cloudflare');
  await mkdir(folder, { recursive: true });
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=stand-in', '-addext', `subjectAltName=IP:${ADDRESS}`];
  await must(undefined, ['openssl', 'req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  const fixture = join(REPOSITORY, 'test/fixtures/e2e/cloudflare-api.mjs');
  const argv = [process.execPath, fixture, ADDRESS, '8443', key, cert];
  const api = `https://${ADDRESS}:8443/client/v4`;
  const plugin = { type: 'builtin', name: 'cloudflare', zone: 'example.com', subdomain: 'wg', token: TOKEN, api };
  const env = { NODE_EXTRA_CA_CERTS: cert };
  return await startServer({ plugin, env }, () => lab.spawn(lab.publicNamespace, argv), 'ready');
}
