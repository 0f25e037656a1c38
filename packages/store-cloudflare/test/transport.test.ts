/** Requests whose sockets are long in coming, or never come. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { test } from 'node:test';
import { type Connect, StunmeshError } from '@stunmesh/core/api';
import { createSystemClock, settle } from '@stunmesh/core/testing';
import { createTransport } from '#src/transport.js';
import { startApi } from './lab/open-store.js';

const clock = createSystemClock();
const headers = new Headers();
const ENOUGH = new StunmeshError('ERR_DEADLINE', 'enough');

test('a connect that hangs ends with its caller, frees the place for others, and is told to stop', {
  timeout: 60_000,
}, async () => {
  const opening: AbortSignal[] = [];
  using transport = createTransport({
    clock,
    connect: ({ signal }) => {
      opening.push(signal);
      return new Promise<never>(() => undefined);
    },
  });
  const caller = new AbortController();
  const call = () => transport.fetch('http://192.0.2.1/', { headers, signal: caller.signal });
  const over = Promise.all(Array.from({ length: 6 }, () => assert.rejects(call(), ENOUGH)));
  await settle();
  assert.equal(opening.length, 4, 'no more than the sockets that are allowed');
  caller.abort(ENOUGH);
  await over;
  assert.ok(opening.every((signal) => signal.aborted));
  const next = new AbortController();
  const another = assert.rejects(transport.fetch('http://192.0.2.1/', { headers, signal: next.signal }), ENOUGH);
  await settle();
  assert.equal(opening.length, 5, 'the next call opens one');
  next.abort(ENOUGH);
  await another;
});

test('a burst of calls shares four sockets, none of which ends with the call that opened it', async (t) => {
  const api = await startApi(t);
  let opened = 0;
  const connect: Connect = async ({ host, port }) => {
    opened += 1;
    const socket = dial(port, host);
    await once(socket, 'connect');
    return socket;
  };
  using transport = createTransport({ clock, connect });
  const call = async (caller: AbortController) => {
    await transport.fetch(`${api.url}/nothing`, { headers, signal: caller.signal }).catch(() => undefined);
    caller.abort(ENOUGH);
  };
  await Promise.all(Array.from({ length: 12 }, () => call(new AbortController())));
  await call(new AbortController());
  assert.equal(opened, 4);
});

test('closing ends what is being opened, and no number of calls warns of listeners', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  let opened = 0;
  const connect: Connect = ({ signal }) => {
    opened += 1;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  };
  const transport = createTransport({ clock, connect });
  const over = Promise.allSettled(Array.from({ length: 12 }, () => transport.fetch('http://192.0.2.1/', { headers })));
  await settle();
  transport[Symbol.dispose]();
  assert.ok((await over).every(({ status }) => status === 'rejected'));
  assert.equal(opened, 4);
  assert.deepEqual(warnings, []);
});
