/** Real frames of link types without Ethernet headers: a tun device (RAW), one that says it is PPP and Linux's "any" (cooked). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { encodeUdp } from '@stunmesh/core/net';
import { openCapSource } from '#src/cap-source.js';
import { type LinkType, parseFrame } from '#src/frame.js';
import { options, PORT, response, useCapLab } from './cap-lab.js';
import { inNamespace, run } from './namespace.js';

const missing =
  spawnSync('perl', ['-e', 'open(F, "+<", "/dev/net/tun") or exit 1']).status === 0
    ? false
    : 'needs perl and /dev/net/tun';

/** Makes a tun device and puts a packet on it for each line of hexadecimal; with a hardware type, it says that it is one of those. */
const TUN = `
  $| = 1;
  open(F, "+<", "/dev/net/tun") or die;
  ioctl(F, 0x400454ca, pack("a16 S x22", $ARGV[0], 0x1001)) or die;
  ioctl(F, 0x400454cd, int $ARGV[1]) or die if $ARGV[1];
  print "ready\\n";
  while (<STDIN>) { chomp; syswrite(F, pack("H*", $_)); }
`;
const ARPHRD_PPP = 512;

async function openTun(name: string, hardware = 0): Promise<ChildProcess> {
  const child = spawn('perl', ['-e', TUN, name, String(hardware)], { stdio: ['pipe', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  run(`ip address add 10.7.0.1/24 dev ${name}`);
  run(`ip address add 2001:db8:7::1/64 dev ${name} nodad`);
  run(`ip link set ${name} up`);
  return child;
}

function ipv4(payload: Uint8Array): Uint8Array {
  const header = Uint8Array.from([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 7, 0, 2, 10, 7, 0, 1]);
  new DataView(header.buffer).setUint16(2, 20 + payload.length);
  return Buffer.concat([header, payload]);
}

function ipv6(payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(40);
  header.set([0x60, 0, 0, 0, 0, payload.length, 17, 64]);
  header.set([0x20, 1, 0x0d, 0xb8, 0, 7], 8);
  header.set([0x20, 1, 0x0d, 0xb8, 0, 7], 24);
  header[23] = 2;
  header[39] = 1;
  return Buffer.concat([header, payload]);
}

if (inNamespace(import.meta.url)) {
  const lab = useCapLab();
  const datagram = (tag: number) =>
    encodeUdp({ sourcePort: 3478, destinationPort: PORT, checksum: 0, payload: response(tag) });

  for (const [name, hardware] of [
    ['tun7', 0],
    ['ppp7', ARPHRD_PPP],
  ] as const)
    test(`a ${hardware === 0 ? 'tun' : 'PPP'} device is listened to, both families`, {
      ...options,
      skip: options.skip || missing,
    }, async () => {
      const tun = await openTun(name, hardware);
      try {
        for (const [family, packet] of [
          [4, ipv4(datagram(4))],
          [6, ipv6(datagram(6))],
        ] as const) {
          await using listening = await lab.listen({ family, interfaces: [name] });
          tun.stdin?.write(`${Buffer.from(packet).toString('hex')}\n`);
          while (listening.heard.length === 0) await lab.deliver('192.0.2.2', '192.0.2.1', 0);
          const [event] = listening.heard;
          assert.deepEqual(event, {
            message: response(family),
            from: { family, address: family === 4 ? '10.7.0.2' : '2001:db8:7::2', port: 3478 },
            to: { family, address: family === 4 ? '10.7.0.1' : '2001:db8:7::1', port: PORT },
            interface: name,
          });
        }
      } finally {
        tun.kill('SIGKILL');
        await once(tun, 'exit');
      }
    });

  for (const [name, hardware, expected] of [
    ['tun8', 0, 'RAW'],
    ['ppp8', ARPHRD_PPP, 'LINUX_SLL'],
    ['any', 0, 'LINUX_SLL'],
    ['wan', 0, 'EN10MB'],
  ] as const)
    test(`libpcap calls the frames of ${name} ${expected}`, { ...options, skip: options.skip || missing }, async () => {
      const tun = hardware !== 0 || name === 'tun8' ? await openTun(name, hardware) : undefined;
      const seen: [LinkType, Uint8Array][] = [];
      try {
        await using _source = await openCapSource({
          interfaceName: name,
          match: { localPort: PORT },
          listener: { frame: (linkType, frame) => seen.push([linkType, frame]), lost: (error) => assert.fail(error) },
          signal: new AbortController().signal,
        });
        tun?.stdin?.write(`${Buffer.from(ipv4(datagram(4))).toString('hex')}\n`);
        while (seen.length === 0) await lab.deliver('192.0.2.2', '192.0.2.1', 9);
      } finally {
        tun?.kill('SIGKILL');
        if (tun) await once(tun, 'exit');
      }
      const [linkType, frame] = seen[0] ?? [];
      assert.equal(linkType, expected);
      assert.equal(linkType && frame && parseFrame(linkType, frame)?.to.port, PORT);
    });
}
