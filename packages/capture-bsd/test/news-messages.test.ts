import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linkState, parseNetlinkMessages } from '#src/netlink-messages.js';
import { parseRouteMessages } from '#src/route-messages.js';

/** A message of route(4): length, version 5, type, then what the layout of the type says. */
function routeMessage(type: number, length: number, set: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  bytes[2] = 5;
  bytes[3] = type;
  set(view);
  return bytes;
}
const parse = (...messages: readonly Uint8Array[]) => parseRouteMessages(Buffer.concat(messages), 'LE');

test('F27 route(4): interfaces, addresses and routes, each with its index', () => {
  const link = routeMessage(0xe, 168, (view) => {
    view.setInt32(8, 0x8843, true);
    view.setUint16(12, 3, true);
    view.setUint8(20, 2);
  });
  const address = (type: number) => routeMessage(type, 80, (view) => view.setUint16(12, 4, true));
  const route = (type: number) => routeMessage(type, 200, (view) => view.setUint16(4, 5, true));
  assert.deepEqual(parse(link, address(0xc), address(0xd), route(1), route(2), route(3)), [
    { kind: 'link', index: 3, state: '65 2' },
    { kind: 'address', index: 4 },
    { kind: 'address', index: 4 },
    { kind: 'route', index: 5 },
    { kind: 'route', index: 5 },
    { kind: 'route', index: 5 },
  ]);
});

test('F27 route(4): an interface that came or went says its name, for its index means nothing any more', () => {
  const announce = routeMessage(0x11, 24, (view) => {
    view.setUint16(4, 7, true);
    new Uint8Array(view.buffer).set(Buffer.from('ng0'), 6);
    view.setUint16(22, 1, true);
  });
  assert.deepEqual(parse(announce), [{ kind: 'link', index: 7, name: 'ng0' }]);
});

test('F27 route(4): neighbours that are found, questions and what is cut off are no news', () => {
  const neighbour = routeMessage(1, 200, (view) => view.setInt32(8, 0x405, true));
  const cloned = routeMessage(1, 200, (view) => view.setInt32(8, 0x20005, true));
  const get = routeMessage(4, 200);
  const miss = routeMessage(7, 200);
  assert.deepEqual(parse(neighbour, cloned, get, miss), []);
  const good = routeMessage(1, 200);
  assert.equal(parse(good, good.subarray(0, 100)).length, 1);
  assert.deepEqual(parse(routeMessage(1, 12)), [], 'shorter than any header');
  assert.deepEqual(parseRouteMessages(Uint8Array.of(0, 0, 5, 1), 'LE'), []);
});

test('F27 route(4): a link that went up, down or lost its carrier has another state, one that is captured on has not', () => {
  const state = (flags: number, carrier: number) =>
    parse(
      routeMessage(0xe, 168, (view) => {
        view.setInt32(8, flags, true);
        view.setUint8(20, carrier);
      }),
    )[0]?.state;
  assert.equal(state(0x8843, 2), state(0x8843 | 0x100, 2), 'IFF_PROMISC');
  assert.notEqual(state(0x8843, 2), state(0x8842, 2), 'down');
  assert.notEqual(state(0x8843, 2), state(0x8843, 1), 'no carrier');
});

function netlink(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((16 + body.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + body.length, true);
  view.setUint16(4, type, true);
  bytes.set(body, 16);
  return bytes;
}

function linkBody(index: number, flags: number, family = 0): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  body[0] = family;
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  return body;
}

test('F27 rtnetlink(7): links with their state, addresses, routes and rules', () => {
  const bytes = Buffer.concat([
    netlink(16, linkBody(3, 0x11043)),
    netlink(17, linkBody(3, 0x11043)),
    netlink(20, Uint8Array.of(2, 24, 0, 0, 4, 0, 0, 0, 8, 0, 1, 0, 192, 0, 2, 1)),
    netlink(25, new Uint8Array(12)),
    netlink(32, new Uint8Array(12)),
    netlink(16, linkBody(3, 0, 7)),
    netlink(28, linkBody(3, 0)),
  ]);
  assert.deepEqual(parseNetlinkMessages(bytes), [
    { kind: 'link', index: 3, state: linkState(0x11043) },
    { kind: 'link', index: 3 },
    { kind: 'address', index: 4 },
    { kind: 'route', index: 0 },
    { kind: 'route', index: 0 },
  ]);
  assert.equal(linkState(0x11043), linkState(0x11043 | 0x100), 'a capture that begins changes IFF_PROMISC');
  assert.notEqual(linkState(0x11043), linkState(0x1003));
});

test('random bytes never upset the parsers', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseRouteMessages(bytes);
      parseNetlinkMessages(bytes);
    }),
    { numRuns: 3000 },
  );
});
