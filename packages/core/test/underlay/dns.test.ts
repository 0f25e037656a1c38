/** Questions and answers of DNS, and asking servers that are silent, wrong or gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Endpoint, StunmeshError } from '#src/api/index.js';
import { createFakeClock } from '#src/testing/fake-clock.js';
import { createDnsClient } from '#src/underlay/dns-client.js';
import { encodeQuestion, parseAnswer } from '#src/underlay/dns-message.js';

const free = new AbortController().signal;
const question = (name = 'a.example.org', family: 4 | 6 = 4, id = 0x1234): Uint8Array => {
  const bytes = encodeQuestion(name, family, id);
  assert.ok(bytes);
  return bytes;
};
const A = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4];
const CNAME = [0, 5, 0, 1, 0, 0, 0, 60];

/** An answer to `asked` with these records (without their names, which point to the question). */
function answer(asked: Uint8Array, records: readonly (readonly number[])[], flags = 0x8180): Uint8Array {
  const head = Buffer.from(asked);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, ...records.map((record) => Buffer.from([0xc0, 12, ...record]))]);
}

test('a question is as RFC 1035 has it', () => {
  assert.equal(
    Buffer.from(question('ab.c', 6, 0xbeef)).toString('hex'),
    `beef0100${'0001'}${'0000'.repeat(3)}026162016300001c0001`,
  );
  assert.deepEqual(question('example.org.'), question('EXAMPLE.org'.toLowerCase()));
  assert.ok(Buffer.from(question('bücher.example')).includes('xn--bcher-kva'));
  for (const bad of ['', '.', 'a..b', `${'a'.repeat(64)}.org`, `${'a.'.repeat(130)}org`])
    assert.equal(encodeQuestion(bad, 4, 1), undefined, bad);
});

test('an answer gives the addresses of its family, behind other names and records', () => {
  const asked = question();
  const alias = [...CNAME, 0, 4, 1, 98, 0xc0, 14];
  const found = parseAnswer(answer(asked, [alias, [...A, 192, 0, 2, 1], [...A, 192, 0, 2, 2]]), asked, 4);
  assert.deepEqual(found, { code: 0, addresses: ['192.0.2.1', '192.0.2.2'] });
  const six = question('a.example.org', 6);
  const record = [0, 28, 0, 1, 0, 0, 0, 60, 0, 16, 0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 1];
  assert.deepEqual(parseAnswer(answer(six, [record, [...A, 192, 0, 2, 1]]), six, 6)?.addresses, ['2001:db8::1']);
  assert.deepEqual(parseAnswer(answer(asked, [], 0x8183), asked, 4), { code: 3, addresses: [] });
});

test('F76 an answer with thousands of addresses gives the first few', () => {
  const asked = question();
  const many = Array.from({ length: 3_000 }, (_, n) => [...A, 192, 0, n >> 8, n & 255]);
  assert.equal(parseAnswer(answer(asked, many), asked, 4)?.addresses.length, 32);
});

test('F1 what is no answer to the question is none: another number, name, a question, a foreign opcode', () => {
  const asked = question();
  const good = () => Buffer.from(answer(asked, [[...A, 192, 0, 2, 1]]));
  const other = good();
  other.writeUInt16BE(0x1235, 0);
  const renamed = good();
  renamed.write('b', 13);
  for (const message of [other, renamed, Buffer.from(asked), answer(asked, [], 0xa980), good().subarray(0, 11)])
    assert.equal(parseAnswer(message, asked, 4), undefined);
  const upper = good();
  upper.write('A.EXAMPLE'.slice(2), 15);
  assert.equal(parseAnswer(upper, asked, 4)?.addresses.length, 1);
});

test('no bytes whatever make it throw or loop, and a cut answer gives what is whole in it', () => {
  const asked = question();
  const whole = answer(asked, [
    [...A, 192, 0, 2, 1],
    [...A, 192, 0, 2, 2],
  ]);
  for (let length = 0; length <= whole.length; length += 1) parseAnswer(whole.subarray(0, length), asked, 4);
  assert.deepEqual(parseAnswer(whole.subarray(0, whole.length - 1), asked, 4)?.addresses, ['192.0.2.1']);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(30), (tail, count) => {
      const head = Buffer.from(asked);
      head.writeUInt16BE(0x8180, 2);
      head.writeUInt16BE(count, 6);
      const found = parseAnswer(Buffer.concat([head, tail]), asked, 4);
      for (const address of found?.addresses ?? []) assert.match(address, /^\d+\.\d+\.\d+\.\d+$/);
    }),
  );
});

const servers: readonly Endpoint[] = [
  { family: 4, address: '192.0.2.53', port: 53 },
  { family: 4, address: '192.0.2.54', port: 53 },
];

type Behaviour = 'good' | 'silent' | 'gone' | 'refuses' | 'unknown' | 'throws';

/** A client of servers that behave so, by their order. */
function client(...behaviours: Behaviour[]) {
  const clock = createFakeClock();
  const asked: string[] = [];
  let open = 0;
  const ask = createDnsClient({
    clock,
    async open(to, onMessage, onFault) {
      const behaviour = behaviours[servers.indexOf(to)];
      if (behaviour === 'throws') throw new StunmeshError('ERR_CAPTURE_OPEN', 'no');
      open += 1;
      return {
        async send(message) {
          asked.push(to.address);
          onMessage(Uint8Array.of(1, 2, 3));
          if (behaviour === 'gone') onFault();
          if (behaviour === 'good') onMessage(answer(message, [[...A, 192, 0, 2, 1]]));
          if (behaviour === 'refuses') onMessage(answer(message, [], 0x8185));
          if (behaviour === 'unknown') onMessage(answer(message, [], 0x8183));
        },
        async [Symbol.asyncDispose]() {
          open -= 1;
        },
      };
    },
  });
  return { clock, asked, ask, openSockets: () => open };
}

test('a server that is silent, gone or refuses is passed over; none that answers is an error with its reason', async () => {
  for (const first of ['silent', 'gone', 'refuses', 'throws'] as const) {
    const c = client(first, 'good');
    const answered = c.ask('a.example.org', 4, servers, free);
    await c.clock.advance(1_000);
    assert.deepEqual(await answered, ['192.0.2.1'], first);
    assert.equal(c.openSockets(), 0);
  }
  const cases = [
    ['silent', /no name server answers/],
    ['refuses', /refuses or fails \(code 5\)/],
    ['unknown', /no such name/],
  ] as const;
  for (const [behaviour, why] of cases) {
    const c = client(behaviour, behaviour);
    const answered = assert.rejects(c.ask('a.example.org', 4, servers, free), { code: 'ERR_RESOLVE', message: why });
    await c.clock.advance(10_000);
    await answered;
    assert.equal(c.asked.length, behaviour === 'unknown' ? 1 : 6);
    assert.deepEqual([c.openSockets(), c.clock.pending], [0, 0]);
  }
});

test('a caller who gives up is let go at once, and the socket with it', async () => {
  const c = client('silent', 'silent');
  const caller = new AbortController();
  const answered = assert.rejects(c.ask('a.example.org', 4, servers, caller.signal), /enough/);
  await c.clock.advance(500);
  caller.abort(new Error('enough'));
  await answered;
  assert.deepEqual([c.openSockets(), c.clock.pending], [0, 0]);
});

test('the server that answered last is asked first, for names that are there and that are not', async () => {
  for (const second of ['good', 'unknown'] as const) {
    const c = client('silent', second);
    for (let i = 0; i < 2; i += 1) {
      const answered = c.ask('a.example.org', 4, servers, free).catch(() => undefined);
      await c.clock.advance(1_000);
      await answered;
    }
    assert.deepEqual(c.asked, ['192.0.2.53', '192.0.2.54', '192.0.2.54'], second);
  }
});
