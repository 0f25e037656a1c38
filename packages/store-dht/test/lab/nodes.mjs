/** A child process: COUNT real nodes of the DHT on one address; says their ports to its parent, and ends some or all of them when
 * told to. A program that is no parent of its kind reads them from stdout. */

import { createPublicKey, verify } from 'node:crypto';
import process from 'node:process';
import DHT from 'bittorrent-dht';

const count = Number(process.argv[2]);
const address = process.argv[3] ?? '127.0.0.1';
/** Of the first node. */
const firstPort = Number(process.argv[4] ?? 0);
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Ed25519 as BEP 44 wants it; bittorrent-dht brings none. */
function check(signature, message, key) {
  try {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
    return verify(null, message, publicKey, signature);
  } catch {
    return false;
  }
}

/** @type {InstanceType<typeof DHT>[]} */
const nodes = [];
/** @param {string[]} bootstrap */
function start(bootstrap, port = 0) {
  return new Promise((resolve) => {
    const node = new DHT({ bootstrap: bootstrap.length > 0 ? bootstrap : false, verify: check, host: false });
    node.on('error', () => {});
    node.on('warning', () => {});
    nodes.push(node);
    node.listen(port, address, () => (bootstrap.length > 0 ? node.once('ready', resolve) : resolve(undefined)));
  });
}

await start([], firstPort);
const first = `${address}:${nodes[0].address().port}`;
for (let index = 1; index < count; index += 6)
  await Promise.all(Array.from({ length: Math.min(6, count - index) }, () => start([first])));
const ports = nodes.map((node) => node.address().port);
if (process.send) process.send({ ports });
else process.stdout.write(`ready ${ports.join(' ')}\n`);

process.on('message', ({ end }) => {
  for (const node of nodes.splice(nodes.length - end)) node.destroy();
  process.send?.({ ended: end });
});
process.on('disconnect', () => process.exit(0));
