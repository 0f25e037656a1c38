/** The network monitor by itself: capture modules that tell nothing or know no routes, and its end (F27). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CaptureModule, StunmeshError } from '#src/api/index.js';
import { openNetworkMonitor } from '#src/controllers/refresh/network-monitor.js';
import { createComponents, type DoubleOptions } from '../doubles.js';

async function network(change: Partial<CaptureModule>, options: DoubleOptions = {}) {
  const d = createComponents({ fib: 2, ...options, parts: { serverAddress: () => '192.0.2.1', ...options.parts } });
  Object.assign(d.capture, change);
  const seen: string[] = [];
  const monitor = await openNetworkMonitor({
    ...d.c,
    on: {
      moved: async () => void seen.push('moved'),
      changed: (why) => seen.push(why),
      link: () => seen.push('link'),
    },
  });
  return { ...d, seen, monitor };
}

test('F27 a capture module that cannot tell of changes costs a warning, and so does one that stops telling', async () => {
  for (const [error, told] of [
    [new StunmeshError('ERR_CAPTURE_OPEN', 'no netlink'), 'ERR_CAPTURE_OPEN'],
    [new TypeError('a bug'), 'TypeError: a bug'],
  ] as const) {
    const d = await network({ watchNetwork: () => Promise.reject(error) });
    const [line] = d.logger.lines;
    assert.equal(line?.message, 'no network events; changes are found at the next beat');
    const shown = line.fields['error'];
    assert.equal(shown instanceof StunmeshError ? shown.code : shown, told);
    await d.monitor[Symbol.asyncDispose]();
  }
  const lost = new StunmeshError('ERR_CAPTURE_LOST', 'gone');
  const d = await network({
    async watchNetwork({ onFault }) {
      onFault(lost);
      return { [Symbol.asyncDispose]: async () => undefined };
    },
  });
  assert.deepEqual(
    d.logger.lines.map(({ level, fields }) => [level, fields['error']]),
    [['warn', lost]],
  );
  await d.monitor[Symbol.asyncDispose]();
});

test('F27 the way is asked for in the device’s routing table with its mark, also while the device is missing', async () => {
  for (const present of [true, false]) {
    const asked: object[] = [];
    const routeTo: CaptureModule['routeTo'] = async (query) => {
      asked.push(query);
      return undefined;
    };
    const d = await network({ routeTo }, { present });
    await d.monitor.settled();
    assert.deepEqual(asked[0], { to: '192.0.2.1', firewallMark: 0, fib: 2 });
    await d.monitor[Symbol.asyncDispose]();
  }
});

test('F27 before any way is known events change nothing; a link without a name is no link on the way', async () => {
  const d = await network({});
  d.capture.change({ kind: 'link', interface: 'eth0' });
  await d.clock.advance(5_000);
  assert.deepEqual(d.seen, ['link']);
  await d.monitor.settled();
  d.capture.change({ kind: 'link' });
  await d.clock.advance(5_000);
  assert.deepEqual(d.seen, ['link', 'link']);
  d.capture.change({ kind: 'link', interface: 'eth0' });
  await d.clock.advance(5_000);
  assert.deepEqual(d.seen, ['link', 'link', 'link', 'the link on the way out changed']);
  await d.monitor[Symbol.asyncDispose]();
});

test('F27 routes that cannot be looked at cost a line, none when the daemon ends, and a pending look ends with it', async () => {
  const d = await network({});
  await d.monitor.settled();
  const error = new StunmeshError('ERR_CAPTURE_LOST', 'no routes');
  let end = false;
  d.capture.routeTo = async () => {
    if (end) d.stopping.abort();
    throw error;
  };
  d.capture.change({ kind: 'route' });
  await d.clock.advance(5_000);
  assert.deepEqual(d.logger.lines, [{ level: 'debug', fields: { error }, message: 'could not look at the routes' }]);
  end = true;
  d.capture.change({ kind: 'route' });
  await d.clock.advance(5_000);
  assert.equal(d.stopping.signal.aborted, true);
  assert.equal(d.logger.lines.length, 1);
  const other = await network({});
  await other.monitor.settled();
  other.capture.change({ kind: 'route' });
  other.capture.routeTo = () => assert.fail('looked');
  other.stopping.abort();
  await other.clock.advance(5_000);
  assert.deepEqual([other.seen, other.clock.pending], [[], 0]);
});

test('F27 a capture module that knows no routes finds no way, and that is no change', async () => {
  const d = await network({});
  Reflect.deleteProperty(d.capture, 'routeTo');
  await d.monitor.settled();
  d.capture.change({ kind: 'route' });
  await d.clock.advance(5_000);
  assert.deepEqual(d.seen, []);
});
