/** A STUN server of the laboratory that lies. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lab, REPOSITORY, until } from '../../lab/index.js';

const LYING = join(REPOSITORY, 'packages/core/dist/testing/lying-stun-server.js');

/** Starts a server that lies in this way; ready when this resolves, with "address:port". */
export async function lie(lab: Lab, mode: string, port: number): Promise<string> {
  const server = lab.spawn(lab.publicNamespace, [process.execPath, LYING, mode, '203.0.113.3', String(port)]);
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  await until(
    async () => {
      if (!server.running) throw new Error(server.stderr);
      return (await readFile(`/proc/${server.pid}/net/udp`, 'utf8')).includes(`:${hex} `);
    },
    { what: `the server that lies by ${mode}` },
  );
  return `203.0.113.3:${port}`;
}
