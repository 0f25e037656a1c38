/** `echo-probe.js DEVICE ADDRESS`: pings ADDRESS through capture-linux's echo socket bound to DEVICE; exit status 0 when it answers. */
import capture from '@stunmesh/capture-linux';
import { encodeEcho, parseEcho } from '@stunmesh/core/net';
import { sleep } from '../e2e/lab/index.js';

const [device = '', address = ''] = process.argv.slice(2);
const ID = 0x5350;
const TRIES = 20;

let answered: (text: string) => void;
let failed: (error: Error) => void;
const answer = new Promise<string>((resolve, reject) => {
  answered = resolve;
  failed = reject;
});
const socket = await capture.openEchoSocket({
  family: 4,
  device,
  onPacket(icmp, from) {
    const echo = parseEcho(4, icmp);
    if (echo?.kind === 'reply' && echo.id === ID && from === address) answered(`reply ${echo.sequence} from ${from}`);
  },
  onFault: (error) => failed(error),
});
const asking = (async () => {
  for (let sequence = 1; sequence <= TRIES; sequence++) {
    await socket.send(
      encodeEcho(4, { kind: 'request', id: ID, sequence, payload: new TextEncoder().encode('probe') }),
      address,
    );
    await sleep(500);
  }
  throw new Error(`no reply to ${TRIES} echoes through ${device}`);
})();
process.stdout.write(`${await Promise.race([answer, asking])}\n`);
await socket[Symbol.asyncDispose]();
process.exit(0);
