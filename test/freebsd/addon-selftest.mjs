// The addon alone, without the daemon: does it read frames from /dev/bpf, and does the kernel's filter keep all others out?
// `node addon-selftest.mjs ADDON INTERFACE` listens; a peer runs `node addon-selftest.mjs send ADDRESS`. Prints one line a frame.
import { createSocket } from 'node:dgram';
import { createRequire } from 'node:module';
import process from 'node:process';
import { setTimeout } from 'node:timers';
import { DATAGRAMS, PROGRAM } from './selftest-datagrams.mjs';

const LISTEN_MS = 20_000;
const ETHERNET = 1;
const DROP_ALL = '0600000000000000';
const BUFFER_BYTES = 32_768;

/** Each from a socket of its own: that nobody listens, which ICMP says at once, must not stop the next one. */
function send(address) {
  for (const { port, bytes } of DATAGRAMS) {
    const socket = createSocket('udp4');
    const complain = (error) => process.stderr.write(`sending: ${error.message}\n`);
    socket.on('error', complain);
    socket.send(bytes, port, address, (error) => {
      if (error) complain(error);
      socket.close();
    });
  }
}

/** The name of the datagram in a frame, by the last bytes of it. */
function nameOf(frame) {
  const last = frame.at(-1);
  return DATAGRAMS.find(({ bytes }) => bytes.length === 20 && bytes.at(-1) === last)?.what ?? 'something else';
}

function listen(addon, interfaceName) {
  const native = createRequire(import.meta.url)(addon);
  const bpf = native.openBpf();
  const size = native.setBpfBuffer(bpf, BUFFER_BYTES);
  native.setBpfImmediate(bpf);
  native.setBpfFilter(bpf, Buffer.from(DROP_ALL, 'hex'));
  native.attachBpf(bpf, interfaceName);
  native.setBpfIncoming(bpf);
  const dataLink = native.bpfDataLink(bpf);
  if (dataLink !== ETHERNET) throw new Error(`${interfaceName} has data link type ${dataLink}, not Ethernet`);
  native.setBpfFilter(bpf, Buffer.from(PROGRAM, 'hex'));
  const seen = new Set();
  const end = (status) => {
    const { received, dropped } = native.bpfStatistics(bpf);
    native.close(bpf);
    native.close(bpf);
    process.stdout.write(
      `read ${seen.size} kinds of frames, the kernel asked the filter ${received} times, lost ${dropped}\n`,
    );
    process.exit(status);
  };
  let complete = false;
  native.startFrames(bpf, (error, frame) => {
    if (error) {
      process.stdout.write(`fault ${error.code} in ${error.syscall}\n`);
      return end(1);
    }
    const what = nameOf(frame);
    seen.add(what);
    process.stdout.write(`frame ${what}, ${frame.length} bytes\n`);
    const wrong = [...seen].some((name) => !DATAGRAMS.some((one) => one.what === name && one.read));
    if (wrong) return end(1);
    // What should stay out gets time to come in.
    if (complete || !DATAGRAMS.every((one) => !one.read || seen.has(one.what))) return;
    complete = true;
    setTimeout(() => end(native.bpfStatistics(bpf).dropped === 0 ? 0 : 1), 2_000);
  });
  process.stdout.write(`listening on ${interfaceName}, a buffer of ${size} bytes\n`);
  setTimeout(() => {
    process.stdout.write('not all frames came\n');
    end(1);
  }, LISTEN_MS);
}

const [first, second] = process.argv.slice(2);
if (first === 'send' && second) send(second);
else if (first && second) listen(first, second);
else {
  process.stderr.write('usage: addon-selftest.mjs ADDON INTERFACE | send ADDRESS\n');
  process.exitCode = 2;
}
