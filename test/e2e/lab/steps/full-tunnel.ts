/** wg-quick's full tunnel on a host of the laboratory, its kill switch, and a name server on the internet. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, type Lab, type LabProcess, must, REPOSITORY, until } from '../index.js';
import { hexKey } from '../keys.js';
import { uapi } from '../uapi.js';

/** wg-quick's first choice for both. */
const MARK = 51820;
const NAME_SERVER = '203.0.113.2';

/** As wg-quick(8) does it for a peer with AllowedIPs = 0.0.0.0/0. */
export async function takeOver(host: Host, peer: Host): Promise<void> {
  const all = `public_key=${hexKey(peer.keys.publicKey)}\nupdate_only=true\nallowed_ip=0.0.0.0/0`;
  await uapi(host.device, `set=1\nfwmark=${MARK}\n${all}`);
  const lines = [
    `route add 0.0.0.0/0 dev ${host.device} table ${MARK}`,
    `rule add not fwmark ${MARK} table ${MARK}`,
    'rule add table main suppress_prefixlength 0',
  ];
  await must(undefined, ['ip', '-4', '-n', host.namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await must(host.namespace, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/src_valid_mark']);
}

/** Begins a command in a namespace whose resolv.conf names our server; `ip netns exec` gave it mounts of its own. */
export async function withNameServer(lab: Lab): Promise<readonly string[]> {
  const file = join(lab.dir, 'resolv.conf');
  await writeFile(file, `nameserver ${NAME_SERVER}\n`);
  return ['sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file];
}

/** Knows *.lab.test; says which names it was asked for. */
export async function startNames(lab: Lab): Promise<LabProcess> {
  const fixture = join(REPOSITORY, 'test/fixtures/e2e/name-server.mjs');
  const names = lab.spawn(lab.publicNamespace, [process.execPath, fixture, NAME_SERVER, '203.0.113.1']);
  await until(() => names.stdout.includes('ready'), { what: 'the name server' });
  return names;
}

/** As wg-quick(8) shows it for PostUp: nothing leaves but by the tunnel, or with its mark. */
export async function killSwitch(host: Host): Promise<void> {
  const rules = `table inet killswitch {
    chain output {
      type filter hook output priority filter;
      oifname != "${host.device}" meta mark != ${MARK} fib daddr type != local reject
    }
  }\n`;
  await must(host.namespace, ['nft', '-f', '-'], { input: rules });
}
