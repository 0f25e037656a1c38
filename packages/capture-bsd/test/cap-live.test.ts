/** Captures by libpcap between namespaces: which interfaces are listened to, and what becomes of it when they go and come back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type StunMessageEvent } from '@stunmesh/core/api';
import { expectReaders, FAR_PORT, LINKS, options, PORT, readers, response, useCapLab } from './cap-lab.js';
import { inNamespace, nft, run } from './namespace.js';

if (inNamespace(import.meta.url)) {
  const lab = useCapLab();

  test('F10 every underlay interface is listened to by one reader, which both families share', options, async () => {
    await using four = await lab.listen();
    await using six = await lab.listen({ family: 6 });
    await expectReaders(['alt', 'wan']);
    assert.equal((await lab.expectHeard(four, '198.51.100.2', '198.51.100.1')).interface, 'alt');
    assert.equal((await lab.expectHeard(four, '192.0.2.2', '192.0.2.1')).interface, 'wan');
    assert.equal((await lab.expectHeard(six, '2001:db8:2::2', '2001:db8:2::1')).interface, 'alt');
    assert.ok(four.heard.every(({ to }) => to.family === 4) && six.heard.every(({ to }) => to.family === 6));
    await four.socket[Symbol.asyncDispose]();
    await expectReaders(['alt', 'wan'], 'the other socket still listens');
  });

  test(
    'only the interfaces that were named, or that the default route leaves by, or both, are listened to',
    options,
    async () => {
      const choices = [
        [{ interfaces: ['alt'] }, ['alt']],
        [{ defaultRouteOnly: true }, ['wan']],
        [{ interfaces: ['alt'], defaultRouteOnly: true }, ['alt', 'wan']],
        [{ excludeDevice: 'alt' }, ['wan']],
        [{ interfaces: ['alt'], excludeDevice: 'alt' }, []],
        [{ sendOnly: true }, []],
      ] as const;
      for (const [more, expected] of choices) {
        await using _listening = await lab.listen(more);
        await expectReaders(expected, JSON.stringify(more));
      }
    },
  );

  test(
    'a name that no interface has is an error where it is the only one, and a notice beside others',
    options,
    async () => {
      await assert.rejects(lab.listen({ interfaces: ['wann', 'em0'] }), (error) => {
        assert.ok(hasCode(error, 'ERR_CAPTURE_INTERFACE'));
        assert.match(String(error), /wann, em0 are no interfaces of this host; there are .*wan/);
        return true;
      });
      await using listening = await lab.listen({ interfaces: ['wann', 'alt'] });
      await expectReaders(['alt']);
      assert.match(listening.notices.map(String).join(), /wann is no interface/);
      await using both = await lab.listen({ interfaces: ['wann'], defaultRouteOnly: true });
      assert.equal(both.notices.length, 1);
    },
  );

  test(
    'F10 an interface that goes down, or is deleted and made again, is listened to again; the others all the while',
    options,
    async () => {
      await using listening = await lab.listen();
      for (const step of ['down', 'delete']) {
        if (step === 'down') {
          run('ip link set alt down');
          await lab.expectHeard(listening, '192.0.2.2', '192.0.2.1');
          run('ip link set alt up');
        } else {
          run('ip link delete alt');
          await lab.expectHeard(listening, '192.0.2.2', '192.0.2.1');
          await lab.far.connect({ ...LINKS.alt, far: LINKS.alt.far.slice(0, 1) }, FAR_PORT + 1);
        }
        assert.equal((await lab.expectHeard(listening, '198.51.100.2', '198.51.100.1')).interface, 'alt', step);
      }
    },
  );

  test('an interface that appears is listened to', options, async () => {
    await using listening = await lab.listen();
    await lab.far.connect({ name: 'late', near: ['203.0.113.1/24'], far: ['203.0.113.2/24'] }, FAR_PORT);
    assert.equal((await lab.expectHeard(listening, '203.0.113.2', '203.0.113.1')).interface, 'late');
    run('ip link delete late');
    await lab.expectHeard(listening, '192.0.2.2', '192.0.2.1');
  });

  test('F10 a reader that is killed, again and again, is replaced', options, async () => {
    await using listening = await lab.listen({ interfaces: ['wan'] });
    for (let i = 0; i < 3; i += 1) {
      const [reader] = readers();
      assert.ok(reader);
      process.kill(reader.pid, 'SIGKILL');
      // One that was sent before the death may still arrive.
      while (readers().some(({ pid }) => pid === reader.pid)) await lab.deliver('192.0.2.2', '192.0.2.1', 0);
      await lab.expectHeard(listening, '192.0.2.2', '192.0.2.1');
    }
  });

  test('a socket that is closed while its readers start leaves none behind', options, async () => {
    const controller = new AbortController();
    const opening = lab.listen({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(opening, /enough/);
    await expectReaders([]);
  });

  test(
    'the answer of a server whose packets this host masquerades from another port is heard at the second attempt, and named',
    options,
    async () => {
      nft(
        `table ip t { chain out { type nat hook postrouting priority 100; udp sport ${PORT} masquerade to :40000-40999; }; }`,
      );
      await using listening = await lab.listen();
      const request = response(2);
      request[0] = 0;
      const to = { family: 4, address: '192.0.2.2', port: FAR_PORT } as const;
      await listening.socket.send(request, to);
      const { from } = await lab.far.received();
      assert.ok(from.port >= 40_000, `rewritten: ${from.port}`);
      await lab.far.send('192.0.2.2', response(1), from);
      assert.equal(listening.heard.length, 0);
      await listening.socket.send(request, to);
      await lab.far.received();
      let event: StunMessageEvent | undefined;
      while (!event) {
        await lab.far.send('192.0.2.2', response(2), from);
        event = listening.heard[0];
      }
      assert.deepEqual(event, {
        message: response(2),
        from: to,
        to: { family: 4, address: '192.0.2.1', port: from.port },
        interface: 'wan',
        rewritten: true,
      });
      const notice = listening.notices[0];
      assert.ok(hasCode(notice, 'ERR_CAPTURE_REWRITTEN'));
      assert.match(String(notice), /pf on this host rewrites the port.*port 51820 .*-> \(wan\) static-port/);
      // An error response to a made-up port stays outside.
      const failure = response(3);
      failure[1] = 0x11;
      await lab.far.send('192.0.2.2', failure, from);
      await lab.expectHeard(listening, '192.0.2.2', '192.0.2.1');
      assert.ok(listening.heard.every(({ message }) => message[1] === 1));
    },
  );
}
