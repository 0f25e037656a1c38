/** What a hostile host may send: no parser throws, and none takes long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHttpReader } from '#src/portmap/codec/http-message.js';
import { parseIgdDescription } from '#src/portmap/codec/igd-description.js';
import { parseNatPmpAnswer } from '#src/portmap/codec/nat-pmp.js';
import { parsePcpAnswer } from '#src/portmap/codec/pcp.js';
import { parseSoapAnswer } from '#src/portmap/codec/soap.js';
import { parseSsdpAnswer } from '#src/portmap/codec/ssdp.js';

const DATAGRAMS = 100_000;
const ANSWERS = 1_000;
/** Of processor time, for all of them: some 30 times what they take here. */
const MOST_CPU_MS = 10_000;

/** Marsaglia's xorshift: the same bytes in each run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** A copy with some bytes changed, cut off or repeated. */
function spoil(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = Uint8Array.from(original);
  for (let changes = random(4); changes > 0; changes -= 1) bytes[random(bytes.length)] = random(256);
  const kind = random(8);
  if (kind === 0) return bytes.subarray(0, random(bytes.length));
  return kind === 1 ? Buffer.concat([bytes, bytes.subarray(random(bytes.length))]) : bytes;
}

test(`F55 ${DATAGRAMS} spoilt datagrams: nothing throws, little processor time`, () => {
  const random = createRandom(1);
  const from = (text: string, coding: BufferEncoding) => Uint8Array.from(Buffer.from(text, coding));
  const seeds = [
    from(
      `02810000${'00000e100000007b'}${'00'.repeat(12)}000102030405060708090a0b11000000ca6c4e21${'00'.repeat(10)}ffffcb00710b`,
      'hex',
    ),
    from(`02800000000000000000007b${'00'.repeat(12)}`, 'hex'),
    from('008100000000007bca6c4e2100000e10', 'hex'),
    from('008000000000007bcb00710b', 'hex'),
    from(
      'HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://192.168.1.1:5000/d.xml\r\n\r\n',
      'latin1',
    ),
  ];
  const cpu = cpuMs(() => {
    for (let i = 0; i < DATAGRAMS; i += 1) {
      const seed = seeds[random(seeds.length)] ?? new Uint8Array(1);
      const bytes = random(10) === 0 ? Uint8Array.from({ length: random(80) }, () => random(256)) : spoil(seed, random);
      parsePcpAnswer(bytes);
      parseNatPmpAnswer(bytes);
      parseSsdpAnswer(bytes);
    }
  });
  assert.ok(cpu < MOST_CPU_MS, `${cpu} ms`);
});

test(`F55 ${ANSWERS} spoilt answers of SOAP and descriptions: nothing throws, little processor time`, () => {
  const random = createRandom(2);
  const service =
    '<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service>';
  const bodies = [
    `<?xml version="1.0"?><root xmlns="x"><device a="b"><serviceList>${service.repeat(20)}</serviceList></device></root>`,
    '<s:Envelope><s:Body><u:XResponse><NewReservedPort>20001</NewReservedPort></u:XResponse></s:Body></s:Envelope>',
    '<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>',
    '<a>'.repeat(20_000),
    `<a ${'b="c" '.repeat(10_000)}`,
    `<a>${'&amp;'.repeat(12_000)}</a>`,
    `<a>${'&'.repeat(60_000)}</a>`,
    `<a>${'<![CDATA['.repeat(7_000)}</a>`,
    `<a ${' '.repeat(60_000)}`,
    `<${'a:'.repeat(30_000)}>`,
  ];
  const cpu = cpuMs(() => {
    for (let i = 0; i < ANSWERS; i += 1) {
      const body = spoil(Uint8Array.from(Buffer.from(bodies[random(bodies.length)] ?? '')), random);
      const text = Buffer.from(body).toString('utf8');
      parseSoapAnswer(text, 'X');
      parseIgdDescription(text, { host: '192.168.1.1', port: 1, path: '/' });
      const head =
        random(2) === 0
          ? `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`
          : 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
      const reader = createHttpReader();
      reader.push(spoil(Uint8Array.from(Buffer.from(head)), random));
      reader.push(body);
      reader.end();
    }
  });
  assert.ok(cpu < MOST_CPU_MS, `${cpu} ms`);
});
