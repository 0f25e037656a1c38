import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assembleBpf, bpf, encodeBpf } from '#src/net/bpf.js';
import { runBpf } from '#src/testing/bpf-interpreter.js';

test('a program assembles to what libpcap makes of "udp" on raw IPv4', () => {
  const program = assembleBpf([
    bpf.load('byte', 9),
    bpf.ifEqual(17, { no: 'drop' }),
    bpf.keep(262144),
    bpf.label('drop'),
    bpf.keep(0),
  ]);
  assert.deepEqual(program, [
    { code: 0x30, jt: 0, jf: 0, k: 9 },
    { code: 0x15, jt: 0, jf: 1, k: 17 },
    { code: 0x06, jt: 0, jf: 0, k: 262144 },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ]);
  assert.equal(
    Buffer.from(encodeBpf(program, 'LE')).toString('hex'),
    '3000000009000000150000011100000006000000000004000600000000000000',
  );
  assert.equal(
    Buffer.from(encodeBpf(program, 'BE')).toString('hex'),
    '0030000000000009001500010000001100060000000400000006000000000000',
  );
});

test('the instructions have the numbers of bpf(4)', () => {
  const code = (line: ReturnType<typeof bpf.keep>) => assembleBpf([line, bpf.label('x'), bpf.keep(0)])[0]?.code;
  assert.equal(code(bpf.load('word', 0)), 0x20);
  assert.equal(code(bpf.load('half', 0)), 0x28);
  assert.equal(code(bpf.loadIndexed('word', 0)), 0x40);
  assert.equal(code(bpf.loadIndexed('half', 0)), 0x48);
  assert.equal(code(bpf.loadIndexed('byte', 0)), 0x50);
  assert.equal(code(bpf.loadHeaderLength(0)), 0xb1);
  assert.equal(code(bpf.ifSet(1, { yes: 'x' })), 0x45);
  assert.equal(code(bpf.ifAtLeast(1, { yes: 'x' })), 0x35);
  assert.equal(code(bpf.goto('x')), 0x05);
  assert.equal(code(bpf.setIndex(1)), 0x01);
  assert.equal(code(bpf.copyIndex()), 0x87);
  assert.equal(code(bpf.moveToIndex()), 0x07);
  assert.equal(code(bpf.add(1)), 0x04);
});

test('a jump without a target falls through; labels that cannot be reached are refused', () => {
  const program = assembleBpf([
    bpf.load('byte', 0),
    bpf.ifEqual(1, { yes: 'one' }),
    bpf.keep(2),
    bpf.label('one'),
    bpf.keep(1),
  ]);
  assert.equal(runBpf(program, Uint8Array.of(1)), 1);
  assert.equal(runBpf(program, Uint8Array.of(9)), 2);
  const far = new Array(256).fill(bpf.keep(0));
  assert.throws(() => assembleBpf([bpf.ifEqual(1, { yes: 'nowhere' }), bpf.keep(0)]), /nowhere/);
  assert.throws(() => assembleBpf([bpf.label('back'), bpf.ifEqual(1, { yes: 'back' }), bpf.keep(0)]), /back/);
  assert.throws(() => assembleBpf([bpf.ifEqual(1, { yes: 'end' }), bpf.keep(0), bpf.label('end')]), /end/);
  assert.throws(() => assembleBpf([bpf.label('two'), bpf.label('two'), bpf.keep(0)]), /twice/);
  assert.throws(() => assembleBpf([bpf.ifEqual(1, { yes: 'far' }), ...far, bpf.label('far'), bpf.keep(1)]), /far/);
});

test('goto reaches what a conditional jump does not, and the index register can be counted with', () => {
  const far = new Array(300).fill(bpf.keep(1));
  const program = assembleBpf([
    bpf.setIndex(2),
    bpf.copyIndex(),
    bpf.add(1),
    bpf.moveToIndex(),
    bpf.loadIndexed('byte', 0),
    bpf.goto('far'),
    ...far,
    bpf.label('far'),
    bpf.ifAtLeast(7, { yes: 'kept' }),
    bpf.keep(0),
    bpf.label('kept'),
    bpf.keep(5),
  ]);
  assert.deepEqual(
    [6, 7, 8].map((value) => runBpf(program, Uint8Array.of(0, 0, 0, value))),
    [0, 5, 5],
  );
});

test('the interpreter drops on a load beyond the packet, and refuses what it does not know', () => {
  assert.equal(runBpf(assembleBpf([bpf.load('word', 1), bpf.keep(9)]), new Uint8Array(4)), 0);
  assert.throws(() => runBpf([{ code: 0x94, jt: 0, jf: 0, k: 0 }], new Uint8Array(4)), /unknown code/);
  assert.throws(() => runBpf(assembleBpf([bpf.load('byte', 0)]), new Uint8Array(4)), /without a return/);
});
