/** A child process: COUNT real nodes of the DHT on one address; says their ports to its parent, and ends some or all of them when
 * told to. A program that is no parent of its kind reads them from stdout. With "rough" half of the nodes end once all know each other,
 * and what the others send comes 60 to 180 ms late, but for 8 % that never comes. */

import { createPublicKey, verify } from 'node:crypto';
import process from 'node:process';
import DHT from 'bittorrent-dht';

const count = Number(process.argv[2]);
const address = process.argv[3] ?? '127.0.0.1';
/** Of the first node. */
const firstPort = Number(process.argv[4] ?? 0);
const rough = process.argv[5] === 'rough';
const LOST = 0.08;
const [LEAST_DELAY_MS, MOST_DELAY_MS] = [60, 180];
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

/** A long, bad line in front of a node. @param {InstanceType<typeof DHT>} node */
function makeRough(node) {
  // The datagram socket below bittorrent-dht's two layers.
  const { socket } = node._rpc.socket;
  const send = socket.send.bind(socket);
  socket.send = (...message) => {
    if (Math.random() < LOST) return;
    const delayMs = LEAST_DELAY_MS + Math.random() * (MOST_DELAY_MS - LEAST_DELAY_MS);
    setTimeout(() => {
      if (!node.destroyed) send(...message);
    }, delayMs);
  };
}

/** The last `count`. The first one, by which the network is entered, is the last to go. */
function end(count) {
  for (const node of nodes.splice(nodes.length - count)) node.destroy();
}

await start([], firstPort);
const first = `${address}:${nodes[0].address().port}`;
for (let index = 1; index < count; index += 6)
  await Promise.all(Array.from({ length: Math.min(6, count - index) }, () => start([first])));
if (rough) {
  end(Math.floor(count / 2));
  for (const node of nodes) makeRough(node);
}
const ports = nodes.map((node) => node.address().port);
if (process.send) process.send({ ports });
else process.stdout.write(`ready ${ports.join(' ')}\n`);

process.on('message', ({ end: dead }) => {
  end(dead);
  process.send?.({ ended: dead });
});
process.on('disconnect', () => process.exit(0));
