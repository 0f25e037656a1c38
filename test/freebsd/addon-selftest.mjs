// The addon alone, without the daemon: does it read frames from /dev/bpf, and does the kernel's filter keep all others out?
// `node addon-selftest.mjs ADDON INTERFACE` listens; a peer runs `node addon-selftest.mjs send ADDRESS`. Prints one line a frame.
import { createSocket } from 'node:dgram';
import { createRequire } from 'node:module';
import process from 'node:process';
import { setTimeout } from 'node:timers';

const PORT = 51999;
const LISTEN_MS = 20_000;
const ETHERNET = 1;
/** STUN responses to port 51999 on Ethernet, as the product assembles them (little-endian; a unit test holds the two together). */
const PROGRAM = [
  '280000000c0000001500180000810000280000000c00000015000d00dd8600001500002e000800002800000014000000',
  '45002c00ff3f000030000000170000001500002a11000000b10000000e0000004800000010000000150000271fcb0000',
  '400000001a0000001500002542a412214800000016000000150022000101000015002122110100003000000014000000',
  '150000201100000028000000380000001500001e1fcb000020000000420000001500001c42a41221280000003e000000',
  '15001900010100001500181911010000280000001000000015000d00dd86000015000016000800002800000018000000',
  '45001400ff3f0000300000001b0000001500001211000000b10000001200000048000000140000001500000f1fcb0000',
  '400000001e0000001500000d42a41221480000001a00000015000a00010100001500090a110100003000000018000000',
  '1500000811000000280000003c000000150000061fcb000020000000460000001500000442a412212800000042000000',
  '1500010001010000150000011101000006000000ffff00000600000000000000',
].join('');
const DROP_ALL = '0600000000000000';
const BUFFER_BYTES = 32_768;

/** A STUN success response; the transaction id tells the frames apart. */
function stun(type, id) {
  const message = Buffer.alloc(20, id);
  message.writeUInt16BE(type, 0);
  message.writeUInt16BE(0, 2);
  message.writeUInt32BE(0x2112a442, 4);
  return message;
}

/** What is sent, and which of it is to be read. */
export const DATAGRAMS = [
  { what: 'success', port: PORT, bytes: stun(0x0101, 0xa1), read: true },
  { what: 'error', port: PORT, bytes: stun(0x0111, 0xa2), read: true },
  { what: 'request', port: PORT, bytes: stun(0x0001, 0xb1), read: false },
  { what: 'other port', port: PORT + 1, bytes: stun(0x0101, 0xb2), read: false },
  {
    what: 'WireGuard',
    port: PORT,
    bytes: Buffer.concat([Buffer.from([4, 0, 0, 0]), stun(0, 0xb3).subarray(4)]),
    read: false,
  },
  { what: 'one byte', port: PORT, bytes: Buffer.alloc(1), read: false },
];

function send(address) {
  const socket = createSocket('udp4');
  let left = DATAGRAMS.length;
  for (const { port, bytes } of DATAGRAMS)
    socket.send(bytes, port, address, (error) => {
      if (error) process.stderr.write(`sending: ${error.message}\n`);
      left -= 1;
      if (left === 0) socket.close();
    });
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
