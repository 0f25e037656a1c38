// A STUN server of the test, with no dependencies: `node stun-server.mjs ADDRESS:PORT...`. Says what it hears, one line each.
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { answerTo } from './stun-answer.mjs';

function serve(address, port) {
  const socket = createSocket('udp4');
  let bound = false;
  // Later ones are of answers that could not be delivered: some runtimes tell them, and the server goes on.
  socket.on('error', (error) => {
    process.stderr.write(`${address}:${port}: ${error.message}\n`);
    if (!bound) process.exit(1);
  });
  socket.on('message', (request, from) => {
    const answer = answerTo(request, from);
    process.stdout.write(
      `${address}:${port} heard ${request.length} bytes of ${from.address}:${from.port}${answer ? '' : ': ignored'}\n`,
    );
    if (answer) socket.send(answer, from.port, from.address, () => {});
  });
  socket.bind(port, address, () => {
    bound = true;
    process.stdout.write(`listening on ${address}:${socket.address().port}\n`);
  });
}

const places = process.argv.slice(2);
if (places.length === 0) {
  process.stderr.write('usage: stun-server.mjs ADDRESS:PORT...\n');
  process.exit(2);
}
for (const place of places) {
  const colon = place.lastIndexOf(':');
  serve(place.slice(0, colon), Number(place.slice(colon + 1)));
}
