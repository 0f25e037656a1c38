import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import type { StunMatch } from '@stunmesh/core/net';
import { settle } from '@stunmesh/core/testing';
import type { FrameListener } from '#src/frame-source.js';
import { createSharedSources } from '#src/shared-sources.js';

const never = new AbortController().signal;
const ONE = { localPort: 1 };

function start() {
  const opened: string[] = [];
  const refiltered: StunMatch[] = [];
  let refuse = false;
  const listeners: FrameListener[] = [];
  const signals: AbortSignal[] = [];
  let closed = 0;
  let gate: Promise<void> | undefined;
  const open = createSharedSources(async (interfaceName, match, listener, signal) => {
    opened.push(`${interfaceName} ${JSON.stringify(match)}`);
    listeners.push(listener);
    signals.push(signal);
    await gate;
    return {
      async refilter(next) {
        refiltered.push(next);
        if (refuse) throw new Error('no filter');
      },
      async [Symbol.asyncDispose]() {
        closed += 1;
      },
    };
  });
  const heard: string[] = [];
  const listen = (name: string): FrameListener => ({
    frame: (linkType) => heard.push(`${name} ${linkType}`),
    lost: (reason) => heard.push(`${name} lost ${reason.message}`),
  });
  return {
    open,
    opened,
    listeners,
    signals,
    refiltered,
    refuse: () => {
      refuse = true;
    },
    heard,
    listen,
    closed: () => closed,
    holdUntil: (promise: Promise<void>) => {
      gate = promise;
    },
  };
}

test('listeners of one interface and match share a source, which the last one closes', async () => {
  const { open, opened, listeners, heard, listen, closed } = start();
  const [a, b] = await Promise.all([open('em0', ONE, listen('a'), never), open('em0', ONE, listen('b'), never)]);
  const c = await open('em0', { sourcePort: 1 }, listen('c'), never);
  assert.deepEqual(opened, ['em0 {"localPort":1}', 'em0 {"sourcePort":1}']);
  listeners[0]?.frame('RAW', new Uint8Array());
  assert.deepEqual(heard, ['a RAW', 'b RAW']);
  await a[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  assert.equal(closed(), 0);
  listeners[0]?.frame('RAW', new Uint8Array());
  assert.deepEqual(heard.slice(2), ['b RAW']);
  await b[Symbol.asyncDispose]();
  assert.equal(closed(), 1);
  await c[Symbol.asyncDispose]();
  assert.equal(closed(), 2);
  await open('em0', ONE, listen('d'), never);
  assert.equal(opened.length, 3, 'a closed one is opened anew');
});

test('all hear that a source is lost, once, and the next one gets another', async () => {
  const { open, opened, listeners, heard, listen, closed } = start();
  const a = await open('em0', ONE, listen('a'), never);
  await open('em0', ONE, listen('b'), never);
  listeners[0]?.lost(new Error('gone'));
  assert.deepEqual(heard, ['a lost gone', 'b lost gone']);
  await a[Symbol.asyncDispose]();
  assert.equal(closed(), 0, 'it has ended by itself');
  await open('em0', ONE, listen('c'), never);
  assert.equal(opened.length, 2);
});

test('a source that is lost while it opens is none', async () => {
  const { open, listeners, listen, holdUntil } = start();
  let go = () => {};
  holdUntil(
    new Promise((resolve) => {
      go = resolve;
    }),
  );
  const opening = open('em0', ONE, listen('a'), never);
  listeners[0]?.lost(new Error('gone'));
  go();
  await assert.rejects(opening, (error) => hasCode(error, 'ERR_CAPTURE_OPEN'));
});

test('the opening ends when nobody waits for it any more, and what comes up all the same is closed', async () => {
  const { open, signals, listen, holdUntil, closed, opened } = start();
  let go = () => {};
  holdUntil(
    new Promise((resolve) => {
      go = resolve;
    }),
  );
  const [one, two] = [new AbortController(), new AbortController()];
  const first = open('em0', ONE, listen('a'), one.signal);
  const second = open('em0', ONE, listen('b'), two.signal);
  one.abort(new Error('enough'));
  assert.equal(signals[0]?.aborted, false, 'somebody waits');
  two.abort(new Error('enough'));
  assert.equal(signals[0]?.aborted, true);
  const third = open('em0', ONE, listen('c'), never);
  assert.equal(opened.length, 2, 'nobody joins an opening that ends');
  go();
  await assert.rejects(first, /enough/);
  await assert.rejects(second, /enough/);
  await settle();
  assert.ok(closed() >= 1);
  await (await third)[Symbol.asyncDispose]();
  await assert.rejects(open('em0', ONE, listen('d'), one.signal), /enough/);
});

test('sockets with different prefixes and requests share a source, whose filter lets through what any of them wants', async () => {
  const { open, opened, refiltered, listen } = start();
  const [a, b] = await Promise.all([
    open('em0', { localPort: 1, prefixes: [10] }, listen('a'), never),
    open('em0', { localPort: 1, prefixes: [20] }, listen('b'), never),
  ]);
  assert.equal(opened.length, 1);
  assert.deepEqual(refiltered, [{ localPort: 1, prefixes: [10, 20] }]);
  await a.refilter({ localPort: 1, prefixes: [10], requests: { tags: [7] }, ports: { first: 5, last: 6 } });
  await b.refilter({ localPort: 1, prefixes: [20], requests: { tags: [7, 8] }, ports: { first: 3, last: 5 } });
  assert.deepEqual(refiltered.slice(1), [
    { localPort: 1, prefixes: [10, 20], requests: { tags: [7] }, ports: { first: 5, last: 6 } },
    { localPort: 1, prefixes: [10, 20], requests: { tags: [7, 8] }, ports: { first: 3, last: 6 } },
  ]);
  await b.refilter({ localPort: 1, prefixes: [20], requests: { tags: [7, 8] }, ports: { first: 3, last: 5 } });
  assert.equal(refiltered.length, 3, 'nothing changed');
  await open('em0', ONE, listen('c'), never);
  assert.equal(refiltered.at(-1)?.prefixes, undefined, 'one that takes any answer');
});

test('a filter that is refused is told to whom it was for, and the source goes on with the one before', async () => {
  const { open, listen, refuse, listeners, heard, closed } = start();
  const a = await open('em0', ONE, listen('a'), never);
  refuse();
  await assert.rejects(a.refilter({ localPort: 1, requests: { tags: [7] } }), /no filter/);
  await assert.rejects(open('em0', { localPort: 1, requests: { tags: [8] } }, listen('b'), never), /no filter/);
  listeners[0]?.frame('RAW', new Uint8Array());
  assert.deepEqual(heard, ['a RAW']);
  assert.equal(closed(), 0);
});
