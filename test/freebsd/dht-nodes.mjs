// A small network of DHT nodes of the test (BEP 5, BEP 44), with no dependencies: `node dht-nodes.mjs ADDRESS FIRST_PORT COUNT`. All
// know each other. Says "ready" once it listens, and one line for each item that a node takes.
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { createSocket } from 'node:dgram';
import process from 'node:process';

const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const CLOSEST = 8;

/** Numbers, buffers, text, lists and dictionaries of them; keys have to be in their order. */
function encode(value) {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return encode(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  const items = Array.isArray(value) ? value : Object.entries(value).flat();
  return Buffer.concat([Buffer.from(Array.isArray(value) ? 'l' : 'd'), ...items.map(encode), Buffer.from('e')]);
}

/** Throws on what is no bencoding. Texts are buffers. */
function decode(bytes) {
  let at = 0;
  const until = (mark) => {
    const end = bytes.indexOf(mark, at);
    if (end < 0) throw new Error('cut off');
    const text = bytes.toString('latin1', at, end);
    at = end + 1;
    return text;
  };
  const next = () => {
    const kind = String.fromCharCode(bytes[at]);
    if (kind === 'i') {
      at += 1;
      return Number(until('e'));
    }
    if (kind === 'l' || kind === 'd') {
      at += 1;
      const items = [];
      while (bytes[at] !== 0x65) items.push(next());
      at += 1;
      if (kind === 'l') return items;
      return Object.fromEntries(items.flatMap((key, n) => (n % 2 ? [] : [[key.toString('latin1'), items[n + 1]]])));
    }
    const length = Number(until(':'));
    if (!(length <= bytes.length - at)) throw new Error('cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  return next();
}

const [address, firstPort, count] = process.argv.slice(2);
if (!(Number(firstPort) > 0 && Number(count) > 0)) {
  process.stderr.write('usage: dht-nodes.mjs ADDRESS FIRST_PORT COUNT\n');
  process.exit(2);
}

const nodes = Array.from({ length: Number(count) }, (_, n) => {
  const port = Number(firstPort) + n;
  const id = randomBytes(20);
  const compact = Buffer.concat([
    id,
    Buffer.from(address.split('.').map(Number)),
    Buffer.from([port >> 8, port & 255]),
  ]);
  return { port, id, compact, items: new Map() };
});

const far = (id, target) => Buffer.from(id.map((byte, n) => byte ^ target[n]));

function nearest(target) {
  const sorted = nodes.toSorted((a, b) => Buffer.compare(far(a.id, target), far(b.id, target)));
  return Buffer.concat(sorted.slice(0, CLOSEST).map(({ compact }) => compact));
}

function signed({ salt, seq, v }) {
  return Buffer.concat([Buffer.from(`4:salt${salt.length}:`), salt, Buffer.from(`3:seqi${seq}e1:v`), encode(v)]);
}

/** The number of BEP 44's error, or undefined where the item was taken. */
function put(node, args) {
  const key = createPublicKey({ key: Buffer.concat([SPKI, args.k]), format: 'der', type: 'spki' });
  if (!verify(null, signed(args), key, args.sig)) return 206;
  const target = createHash('sha1').update(args.k).update(args.salt).digest('hex');
  if ((node.items.get(target)?.seq ?? -1) > args.seq) return 302;
  node.items.set(target, args);
  process.stdout.write(`${node.port} holds an item of ${args.v.length} bytes\n`);
  return undefined;
}

function answerOf(node, query) {
  const [t, y, args] = [query.t, 'r', query.a];
  const answer = (r) => encode({ r: { id: node.id, ...r }, t, y });
  switch (query.q.toString()) {
    case 'find_node':
      return answer({ nodes: nearest(args.target) });
    case 'get': {
      const item = node.items.get(args.target.toString('hex'));
      const { k, seq, sig, v } = item ?? {};
      return encode({
        r: {
          id: node.id,
          ...(item && { k }),
          nodes: nearest(args.target),
          ...(item && { seq, sig }),
          token: 'leave',
          ...(item && { v }),
        },
        t,
        y,
      });
    }
    case 'put': {
      const refused = put(node, args);
      return refused ? encode({ e: [refused, 'refused'], t, y: 'e' }) : answer({});
    }
    default:
      return answer({});
  }
}

let listening = 0;
for (const node of nodes) {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    try {
      socket.send(answerOf(node, decode(message)), from.port, from.address, () => {});
    } catch (error) {
      process.stdout.write(`${node.port} heard something else: ${error.message}\n`);
    }
  });
  socket.bind(node.port, address, () => {
    listening += 1;
    if (listening === nodes.length) process.stdout.write(`ready: ${listening} nodes on ${address}\n`);
  });
}
