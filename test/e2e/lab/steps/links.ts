/** Links of a host that go and come back, and the discovery after that. */
import assert from 'node:assert/strict';
import { type Daemon, type Host, must } from '../index.js';

/** The host's link to its router is deleted, and made again as it was. */
export async function replaceLink(host: Host): Promise<void> {
  const [router] = host.plan.routers;
  assert.ok(router);
  await must(host.namespace, ['ip', 'link', 'del', 'eth0']);
  const { hostAddress, hostPrefix } = host.plan;
  const far = ['ip', '-n', router.namespace, 'link'];
  await must(undefined, [...far, 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.namespace]);
  await must(undefined, [
    'ip',
    '-n',
    router.namespace,
    'addr',
    'add',
    `${router.lanAddress}/${router.lanPrefix}`,
    'dev',
    'lan',
  ]);
  await must(undefined, [...far, 'set', 'lan', 'up']);
  const own = [
    `addr add ${hostAddress}/${hostPrefix} dev eth0`,
    'link set eth0 up',
    `route add default via ${router.lanAddress}`,
  ];
  await must(host.namespace, ['ip', '-batch', '-'], { input: `${own.join('\n')}\n` });
}

/** A reflexive address that was found after now. */
export async function discoversAgain(daemon: Daemon): Promise<void> {
  const before = await daemon.waitFor(({ devices: [device] }) => device && { count: device.discoveries });
  await daemon.waitFor(({ devices: [device] }) => (device?.discoveries ?? 0) > before.count && device?.reflexive.ipv4, {
    what: 'another discovery',
  });
}
