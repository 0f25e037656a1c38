/** The addon with FreeBSD's and macOS's numbers and structures, over an emulation of their C libraries (native/test/bsd.c). */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { decodeSockaddr, encodeSockaddr, int32, isSystemError } from '@stunmesh/core/capture-kit';
import { openEchoSocket } from '#src/echo-socket.js';
import { listInterfaces } from '#src/interfaces.js';
import { loadNative, type Native } from '#src/native.js';
import { applyRoutingKey, routeTo } from '#src/route.js';
import { createRouteMonitor } from '#src/route-monitor.js';
import { cannotCapture, foreignAddon, inOwnNamespace, run } from './addon-lab.js';

const options = { skip: cannotCapture ?? false, timeout: 60_000 };

const EXPECTED = {
  freebsd: { AF_INET6: 28, AF_ROUTE: 17, SO_SETFIB: 0x1014, IP_BOUND_IF: 0, IPV6_RECVPKTINFO: 36, SO_MARK: 0 },
  macos: { AF_INET6: 30, AF_ROUTE: 17, SO_SETFIB: 0, IP_BOUND_IF: 25, IPV6_RECVPKTINFO: 61, SO_MARK: 0 },
} as const;

if (inOwnNamespace(import.meta.url)) {
  const natives = new Map<string, Native>();
  const nativeOf = (system: string): Native => {
    const native = natives.get(system);
    assert.ok(native);
    return native;
  };
  before(() => {
    if (cannotCapture) return;
    run('ip link set lo up');
    run('ip link add wg7 type veth peer name far7');
    run('ip link set far7 up');
    run('ip address add 192.0.2.1/24 dev wg7');
    run('ip address add 2001:db8::1/64 dev wg7 nodad');
    run('ip link set wg7 up');
    for (const system of ['freebsd', 'macos'] as const) natives.set(system, loadNative(foreignAddon(system)));
  });

  for (const system of ['freebsd', 'macos'] as const) {
    test(`numbers are those of ${system}`, options, () => {
      const { constants } = nativeOf(system);
      for (const [name, value] of Object.entries(EXPECTED[system]))
        assert.equal(constants[name as keyof typeof constants], value, name);
      assert.equal(constants.SOCKADDR_HAS_LENGTH, 1);
    });

    test(`interfaces of ${system} have types and addresses, and groups where there are such`, options, () => {
      const native = nativeOf(system);
      const all = native.listInterfaces();
      assert.equal(all.find(({ name }) => name === 'lo')?.type, 24);
      const device = all.find(({ name }) => name === 'wg7');
      assert.equal(device?.type, 6);
      assert.deepEqual(device?.groups, system === 'freebsd' ? ['all', 'wg'] : []);
      const known = listInterfaces(native).find(({ name }) => name === 'wg7');
      assert.ok(known?.wireguard && known.up && !known.loopback);
      assert.deepEqual(
        known.addresses.filter(({ address }) => !address.startsWith('fe80')).map(({ address }) => address),
        ['192.0.2.1', '2001:db8::1'],
      );
    });

    test(`errors of ${system} have their names`, options, () => {
      const native = nativeOf(system);
      const { AF_INET, AF_INET6, SOCK_DGRAM, IPPROTO_IP, IP_TTL } = native.constants;
      assert.throws(() => native.open(99, SOCK_DGRAM, 0), { code: 'EAFNOSUPPORT', syscall: 'socket' });
      const socket = native.open(AF_INET, SOCK_DGRAM, 0);
      const refuses = (code: string, call: () => void) =>
        assert.throws(call, (error) => isSystemError(error) && error.code === code, code);
      refuses('EINVAL', () => native.setOption(socket, IPPROTO_IP, IP_TTL, int32(-1)));
      refuses('ENOPROTOOPT', () => native.setOption(socket, IPPROTO_IP, 999, int32(1)));
      // Nothing there yet: EAGAIN is no error.
      native.bind(socket, encodeSockaddr(native, '127.0.0.1', 0));
      assert.equal(native.receive(socket, 10), undefined);
      const closed = native.open(AF_INET, SOCK_DGRAM, 0);
      native.connect(closed, native.localAddress(socket));
      native.close(socket);
      native.send(closed, Uint8Array.of(1), new Uint8Array(0));
      refuses('ECONNREFUSED', () => native.send(closed, Uint8Array.of(1), new Uint8Array(0)));
      // A sockaddr without its length, as Linux's.
      refuses('EINVAL', () => native.bind(closed, Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)));
      const six = native.open(AF_INET6, SOCK_DGRAM, 0);
      native.bind(six, encodeSockaddr(native, '::1', 0));
      assert.equal(decodeSockaddr(native, native.localAddress(six))?.address, '::1');
      native.close(six);
      native.close(closed);
    });

    test(`routes of ${system} are found, with a table and a mark where there are such`, options, () => {
      const native = nativeOf(system);
      assert.deepEqual(routeTo(native, { to: '192.0.2.9', firewallMark: 7, fib: 1 }), {
        interface: 'wg7',
        source: '192.0.2.1',
      });
      assert.equal(routeTo(native, { to: '203.0.113.1', firewallMark: 0 }), undefined);
      const socket = native.open(native.constants.AF_INET, native.constants.SOCK_DGRAM, 0);
      const wrongTable = () => applyRoutingKey(native, socket, { firewallMark: 0, fib: 99 });
      if (system === 'freebsd') assert.throws(wrongTable, /no routing table 99, which proxy\.fib names.*net\.fibs/);
      else wrongTable();
      native.close(socket);
    });

    for (const [family, to] of [
      [4, '192.0.2.1'],
      [6, '2001:db8::1'],
    ] as const)
      test(`F30 an IPv${family} echo of ${system} leaves by its device or not at all`, options, async () => {
        const native = nativeOf(system);
        const faults: unknown[] = [];
        await using echo = openEchoSocket(native, createRouteMonitor(native), {
          family,
          device: 'wg7',
          onPacket: () => {},
          onFault: (error) => faults.push(error),
        });
        const request = Uint8Array.of(family === 4 ? 8 : 128, 0, 0, 0, 0, 1, 0, 1);
        await echo.send(request, to, { ttl: 1 });
        await echo.send(request, to);
        const elsewhere = family === 4 ? '127.0.0.1' : '::1';
        // macOS binds the socket; FreeBSD cannot, so the route is asked each time.
        if (system === 'freebsd')
          await assert.rejects(echo.send(request, elsewhere), { code: 'ERR_CAPTURE_UNREACHABLE' });
        assert.deepEqual(faults, []);
      });

    test(`F27 news of ${system} tell links, addresses and routes`, options, async (t) => {
      const native = nativeOf(system);
      const heard: string[] = [];
      let wake = () => {};
      const stop = createRouteMonitor(native).listen({
        event: (event) => {
          heard.push(`${event.kind} ${event.interface ?? ''}`.trim());
          wake();
        },
        fault: (error) => assert.fail(error),
      });
      t.after(stop);
      const until = async (text: string) => {
        while (!heard.includes(text))
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      };
      run('ip link add new0 type veth peer name far0');
      run('ip link set new0 up');
      run('ip link set far0 up');
      await until('link new0');
      run('ip address add 198.51.100.1/24 dev new0');
      await until('address new0');
      run('ip route add 203.0.113.0/24 dev new0');
      await until('route new0');
      heard.length = 0;
      run('ip link set new0 down');
      await until('link new0');
      run('ip link delete new0');
    });
  }
}
