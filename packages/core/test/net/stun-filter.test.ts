import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACKET_LAYOUTS, type PacketLayout } from '#src/net/packet-layout.js';
import { createStunFilter, DROP_ALL } from '#src/net/stun-filter.js';
import { createStunTest, MOST_TAGS, readPrefix } from '#src/net/stun-match.js';
import { runBpf } from '#src/testing/bpf-interpreter.js';
import { LAYOUTS } from './link-layers.js';
import { disagreements, keepersOf, MATCHES, type MatchName, PAYLOADS, programOf, tableOf } from './packet-table.js';
import { ip4, PORT, SERVER_PORT, stun, udp } from './packets.js';

const MATCH_NAMES = Object.keys(MATCHES) as MatchName[];

for (const name of LAYOUTS)
  test(`F3 on ${name} the filter keeps STUN responses, and nothing of all else in the table`, () => {
    const table = tableOf(name);
    assert.ok(table.some(({ keep }) => keep.length > 0));
    for (const match of MATCH_NAMES) {
      const program = programOf(name, match);
      const verdicts = table.map(({ frame }) => runBpf(program, frame) > 0);
      assert.deepEqual(disagreements(table, match, verdicts), [], `matched by ${match}`);
    }
  });

test('F3 user code looks at the payload once more', () => {
  for (const match of MATCH_NAMES) {
    const test = createStunTest(MATCHES[match]);
    for (const [what, payload, keep] of PAYLOADS) {
      // It knows every tag, however many there are.
      const kept = keepersOf(keep).includes(match) && !(match === 'lengths' && payload[1] === 1 && payload[0] === 0);
      assert.equal(test(payload, SERVER_PORT, PORT), kept, `${what}, ${match}`);
      assert.equal(test(payload, SERVER_PORT, 1), kept && match === 'source', `${what} to another port, ${match}`);
    }
  }
});

test('F3 random bytes never upset a program, and hardly ever pass it', () => {
  const programs = LAYOUTS.flatMap((name) => MATCH_NAMES.map((match) => programOf(name, match)));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...programs), (bytes, program) => {
      assert.equal(runBpf(program, bytes), 0);
    }),
    { numRuns: 2000 },
  );
});

test('F4 the drop-all program drops all', () => {
  assert.equal(runBpf(DROP_ALL, ip4(udp(stun(0x0101)))), 0);
});

/** Loads by absolute offset of a program, as "size@offset"; X counts as the bytes of a header without options. */
function loads(layout: PacketLayout, from: 'link' | 'ip'): ReadonlySet<string> {
  const sizes = ['word', 'half', 'byte'];
  const shift = from === 'ip' && layout.start === 'ip' ? layout.ipOffset : 0;
  const found = new Set<string>();
  for (const { code, k } of createStunFilter(layout, { localPort: PORT })) {
    if ((code & 7) !== 0) continue;
    const headers = (code & 0xe0) !== 0x40 ? [0] : layout.start === 'udp' ? [0] : [20, 40];
    for (const header of headers) found.add(`${sizes[(code >> 3) & 3]}@${k + header - shift}`);
  }
  return found;
}

test('F3 the offsets are those that were published for Linux and the BSDs', () => {
  // Linux's raw sockets: port at 22 and cookie at 32 with the IPv4 header, 2 and 12 without the IPv6 one.
  for (const load of ['half@22', 'word@32']) assert.ok(loads(PACKET_LAYOUTS['linux-raw4'], 'link').has(load), load);
  for (const load of ['half@2', 'word@12']) assert.ok(loads(PACKET_LAYOUTS['linux-raw6'], 'link').has(load), load);
  // Payload offsets: link header + IP header + UDP header; the type stands there, the cookie 4 bytes on.
  for (const [name, link] of [
    ['NULL', 4],
    ['EN10MB', 14],
  ] as const) {
    const found = loads(PACKET_LAYOUTS[name], 'link');
    for (const header of [20, 40]) {
      const payload = link + header + 8;
      assert.ok(found.has(`half@${payload}`) && found.has(`word@${payload + 4}`), `${name}, ${payload}`);
      assert.ok(found.has(`half@${payload - 6}`), `${name}: destination port`);
    }
  }
  assert.ok(loads(PACKET_LAYOUTS.EN10MB, 'link').has('half@12'), 'the EtherType at 12');
  assert.ok(createStunFilter(PACKET_LAYOUTS.EN10MB, { localPort: PORT }).some(({ k }) => k === 0x86dd));
});

test('F3 the family words of NULL that were published are among those that the program compares', () => {
  const compared = new Set(createStunFilter(PACKET_LAYOUTS.NULL, { localPort: PORT }).map(({ k }) => k));
  for (const word of [0x02000000, 0x18000000, 0x1c000000, 0x1e000000]) assert.ok(compared.has(word), String(word));
});

test('F3 a program by the source port reads the source port and no destination port', () => {
  const found = createStunFilter(PACKET_LAYOUTS.RAW, { sourcePort: SERVER_PORT });
  assert.ok(found.some(({ k }) => k === SERVER_PORT));
  assert.equal(
    found.some(({ k }) => k === PORT),
    false,
  );
  assert.equal(found.length, createStunFilter(PACKET_LAYOUTS.RAW, { localPort: PORT }).length);
});

test('F3 the longest program fits the 512 instructions of the BSDs', () => {
  const tags = Array.from({ length: MOST_TAGS }, (_, i) => i * 7);
  const match = {
    localPort: PORT,
    prefixes: Array.from({ length: 16 }, (_, i) => i),
    requests: { tags },
    ports: { first: 1, last: 2 },
  };
  for (const name of LAYOUTS) assert.ok(createStunFilter(PACKET_LAYOUTS[name], match).length <= 512, name);
});

test('a transaction prefix is four bytes', () => {
  assert.equal(readPrefix(Uint8Array.of(0xff, 2, 3, 4)), 0xff020304);
  assert.throws(() => readPrefix(new Uint8Array(3)), /4 bytes, not 3/);
});
