// Asks STUN servers from one port and says how a NAT maps it: `node mapping.mjs PORT SERVER:PORT SERVER:PORT...`.
// Prints each server's answer, then "mapping: one" or "mapping: several". Status 1: somebody did not answer.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { setTimeout } from 'node:timers';

const COOKIE = 0x2112a442;
const TRIES = 5;
const TRY_MS = 1_000;

const [port, ...servers] = process.argv.slice(2);
const asked = new Map(servers.map((server) => [server, randomBytes(12)]));
const answers = new Map();
const socket = createSocket('udp4');

function request(id) {
  const message = Buffer.alloc(20);
  message.writeUInt16BE(1, 0);
  message.writeUInt32BE(COOKIE, 4);
  id.copy(message, 8);
  return message;
}

function finish() {
  socket.close();
  for (const server of servers) process.stdout.write(`${server} sees ${answers.get(server) ?? 'nothing'}\n`);
  const distinct = new Set(answers.values());
  if (answers.size === servers.length) process.stdout.write(`mapping: ${distinct.size === 1 ? 'one' : 'several'}\n`);
  process.exit(answers.size === servers.length ? 0 : 1);
}

let bound = false;
socket.on('error', (error) => {
  process.stderr.write(`port ${port}: ${error.message}\n`);
  if (!bound) process.exit(1);
});
socket.on('message', (message) => {
  if (message.length < 32 || message.readUInt16BE(0) !== 0x0101 || message.readUInt16BE(20) !== 0x0020) return;
  for (const [server, id] of asked) {
    if (!message.subarray(8, 20).equals(id)) continue;
    const address = (message.readUInt32BE(28) ^ COOKIE) >>> 0;
    const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);
    answers.set(server, `${bytes.join('.')}:${message.readUInt16BE(26) ^ (COOKIE >>> 16)}`);
  }
  if (answers.size === servers.length) finish();
});
socket.bind(Number(port), () => {
  bound = true;
  let tries = 0;
  const again = () => {
    if (tries === TRIES) return finish();
    tries += 1;
    for (const [server, id] of asked) {
      const [address, to] = server.split(':');
      if (!answers.has(server)) socket.send(request(id), Number(to), address, () => {});
    }
    setTimeout(again, TRY_MS);
  };
  again();
});
