// A STUN server of the test, with no dependencies: `node stun-server.mjs ADDRESS:PORT...`. Says what it hears, one line each.
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const XOR_MAPPED_ADDRESS = 0x0020;
const HEADER_BYTES = 20;

/** The answer to a datagram (RFC 8489 sections 5 and 14.2); undefined: it is no binding request. */
export function answerTo(request, { address, port }) {
  if (request.length < HEADER_BYTES || request.readUInt16BE(0) !== BINDING_REQUEST) return undefined;
  if (request.readUInt32BE(4) !== COOKIE || request.readUInt16BE(2) !== request.length - HEADER_BYTES) return undefined;
  const four = address.split('.').map(Number);
  if (four.length !== 4) return undefined;
  const answer = Buffer.alloc(HEADER_BYTES + 12);
  answer.writeUInt16BE(BINDING_SUCCESS, 0);
  answer.writeUInt16BE(12, 2);
  request.copy(answer, 4, 4, HEADER_BYTES);
  answer.writeUInt16BE(XOR_MAPPED_ADDRESS, 20);
  answer.writeUInt16BE(8, 22);
  answer.writeUInt8(1, 25);
  answer.writeUInt16BE(port ^ (COOKIE >>> 16), 26);
  answer.writeUInt32BE((Buffer.from(four).readUInt32BE(0) ^ COOKIE) >>> 0, 28);
  return answer;
}

function serve(address, port) {
  const socket = createSocket('udp4');
  socket.on('error', (error) => {
    process.stderr.write(`${address}:${port}: ${error.message}\n`);
    process.exit(1);
  });
  socket.on('message', (request, from) => {
    const answer = answerTo(request, from);
    process.stdout.write(
      `${address}:${port} heard ${request.length} bytes of ${from.address}:${from.port}${answer ? '' : ': ignored'}\n`,
    );
    if (answer) socket.send(answer, from.port, from.address);
  });
  socket.bind(port, address, () => process.stdout.write(`listening on ${address}:${socket.address().port}\n`));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const places = process.argv.slice(2);
  if (places.length === 0) {
    process.stderr.write('usage: stun-server.mjs ADDRESS:PORT...\n');
    process.exit(2);
  }
  for (const place of places) {
    const colon = place.lastIndexOf(':');
    serve(place.slice(0, colon), Number(place.slice(colon + 1)));
  }
}
