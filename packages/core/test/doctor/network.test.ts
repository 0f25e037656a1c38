/** What is wrong on the way: routes and marks, STUN servers, NATs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { encodeEcho, parseEcho } from '#src/net/index.js';
import { captureError } from '#src/testing/index.js';
import { testCases } from './cases.js';
import { createHarness, type Harness, lonely, MAPPED, PEER4, SERVERS, trouble } from './harness.js';

const ETH0 = { interface: 'eth0', source: '192.168.1.2' } as const;

/** Unmarked packets leave by eth0, marked ones as `marked` says. */
function byMark(
  harness: Harness,
  marked: (address: string) => { interface: string; source: string } | undefined,
): void {
  harness.capture.routeTo = async ({ to, firewallMark }) => (firewallMark === 0 ? ETH0 : marked(to));
}

testCases([
  {
    what: 'F5 a mark that has no way out',
    change: (p) => {
      p.wg.changeDevice('wg0', { firewallMark: 0x64 });
      byMark(p, (address) => (address.startsWith('198') ? undefined : ETH0));
    },
    named: ['route', 'fault', /mark 0x64 have no route to STUN server 198/],
    remedy: /policy rules/,
  },
  {
    what: 'F5 a mark that leads elsewhere',
    change: (p) => {
      p.wg.changeDevice('wg0', { firewallMark: 0x64 });
      byMark(p, () => ({ interface: 'eth7', source: '192.0.2.1' }));
    },
    named: ['route', 'warning', /mark 0x64 leave by eth7, unmarked ones by eth0/],
    remedy: /ip rule show/,
  },
  {
    what: 'F5 a routing table of FreeBSD that leads elsewhere',
    change: (p) => {
      p.system.platform = 'freebsd';
      p.config = p.config.replace('protocol: ipv4\n', 'protocol: ipv4\n    proxy: { fib: 3 }\n');
      p.wg.changeDevice('wg0', { firewallMark: 0x64 });
      byMark(p, () => ({ interface: 'em7', source: '192.0.2.1' }));
    },
    named: ['route', 'warning', /packets of routing table 3 leave by em7, those of this host by eth0/],
    remedy: /setfib 3 netstat -rn.*tunnelfib/,
  },
  {
    what: 'F19 a way to the servers that leads into the tunnel',
    change: (p) => {
      for (const server of SERVERS)
        p.capture.setRoute(server.replace(':3478', ''), { interface: 'wg0', source: '10.0.0.1' });
    },
    named: ['route', 'fault', /leads into the tunnel itself/],
    remedy: /outside wg0/,
  },
  {
    what: 'a peer that is reached by another line than the servers',
    change: (p) => {
      lonely(p);
      if (PEER4) p.wg.changePeer('wg0', p.peer.publicKey, { endpoint: PEER4 });
      p.capture.setRoute('203.0.113.77', { interface: 'eth7', source: '192.0.2.1' });
    },
    named: ['route', 'warning', /servers are reached by eth0, but peer site-b \(203\.0\.113\.77\) by eth7/],
    remedy: /same way/,
  },
  {
    what: 'F2 one silent server',
    change: (p) => p.servers.set(SERVERS[2], undefined),
    named: ['stun', 'warning', /198\.51\.100\.3:3478/],
    remedy: /try other servers/,
    code: 'ERR_STUN_NO_RESPONSE',
  },
  {
    what: 'F7 one server that lies',
    change: (p) => p.servers.set(SERVERS[1], '192.0.2.66:6666'),
    named: ['stun', 'fault', /198\.51\.100\.2:3478 sees 192\.0\.2\.66:6666.*contradicts/],
    remedy: /take it out of `stun\.addresses`/,
  },
  {
    what: 'a STUN server whose name a proxy resolves to a stand-in',
    change: (p) => {
      p.config = p.config.replace(`"${SERVERS[1]}"`, '"stun.example:3478"');
      p.parts.resolve = async () => ['198.18.3.4'];
      p.servers.set('198.18.3.4:3478', MAPPED);
    },
    named: ['stun', 'warning', /stun\.example:3478 sees .*stand-in \(fake-ip/],
    remedy: /fake-ip-filter/,
    code: 'ERR_STUN_STAND_IN',
  },
  {
    what: 'F80 a name server that is dead',
    change: (p) => {
      p.config = p.config.replace(/addresses: \[.*\]/, 'addresses: ["stun.example:3478"]');
      p.parts.resolve = (_host, _family, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    },
    named: ['stun', 'fault', /no STUN server can be asked over IPv4 .*no name server answered for stun\.example/],
    remedy: /DNS/,
    code: 'ERR_STUN_NO_SERVER',
  },
  {
    what: 'F7 a server that names an address that nobody can have',
    change: (p) => p.servers.set(SERVERS[1], '0.0.0.0:1'),
    named: ['stun', 'warning', /unusable address/],
    remedy: /use another server/,
    code: 'ERR_STUN_REFUSED',
  },
  {
    what: 'two servers that contradict each other',
    change: (p) => {
      p.servers.set(SERVERS[1], '192.0.2.66:6666');
      p.servers.set(SERVERS[2], undefined);
    },
    named: ['stun', 'warning', /the servers see different addresses/],
    remedy: /add a third server/,
  },
  {
    what: 'a dual-stack interface on a host without IPv6',
    change: (p) => {
      p.config = p.config.replace('protocol: ipv4\n', 'protocol: dualstack\n');
    },
    named: ['stun', 'note', /reaches no STUN server over IPv6: the other family alone is published/],
  },
  {
    what: 'a server that takes its time',
    change: (p) => {
      const { onSend } = p.capture;
      p.capture.onSend = (sent) => {
        if (sent.to.address === '198.51.100.2') void p.clock.sleep(1_200).then(() => onSend(sent));
        else onSend(sent);
      };
    },
    named: ['stun', 'warning', /198\.51\.100\.2:3478 sees .*, after 1200 ms: slow/],
    remedy: /a nearer server/,
  },
  {
    what: 'more servers than are asked',
    change: (p) => {
      const more = Array.from({ length: 20 }, (_, n) => `"198.51.100.${4 + n}:3478"`);
      p.config = p.config.replace('"198.51.100.3:3478"', `"198.51.100.3:3478", ${more.join(', ')}`);
    },
    named: ['stun', 'note', /^\d+ further servers not asked/],
  },
  {
    what: 'one server alone',
    change: (p) => {
      p.config = p.config.replace(/, "198.51.100.[23]:3478"/g, '');
    },
    named: ['stun', 'note', /one STUN server alone/],
    remedy: /add a second one/,
  },
  {
    what: 'a server whose name is not known',
    change: (p) => {
      p.config = p.config.replace('198.51.100.2:3478', 'stun.example.net:3478');
    },
    named: ['stun', 'warning', /stun\.example\.net.*no such name/],
    remedy: /DNS/,
    code: 'ERR_RESOLVE',
  },
  {
    what: 'a host without any route',
    change: (p) => {
      for (const server of SERVERS) p.capture.setRoute(server.replace(':3478', ''), undefined);
    },
    named: ['route', 'fault', /there is no route to STUN server 198/],
    remedy: /default route/,
    code: 'ERR_STUN_NO_ROUTE',
  },
  {
    what: 'a double NAT',
    change: (p) => {
      p.capture.onEcho = ({ packet, to, device, ttl }) => {
        const echo = parseEcho(4, packet);
        if (echo && (ttl ?? 64) >= 2) p.capture.deliverEcho(device, 4, encodeEcho(4, { ...echo, kind: 'reply' }), to);
      };
    },
    named: ['nat', 'note', /\(double NAT\): a port has to be forwarded at both/],
    remedy: /bridge/,
  },
  {
    what: 'no server that answers',
    change: (p) => {
      for (const server of SERVERS) p.servers.set(server, undefined);
    },
    named: ['stun', 'fault', /no STUN server answered over IPv4/],
    remedy: /let UDP out/,
    code: 'ERR_STUN_NO_RESPONSE',
  },
  {
    what: 'F6b probes that the firewall here blocks',
    change: (p) => {
      const { onSend } = p.capture;
      p.capture.onSend = (sent) => {
        if (sent.to.address !== '127.0.0.1') throw captureError('ERR_CAPTURE_BLOCKED');
        onSend(sent);
      };
    },
    named: ['stun', 'fault', /a rule on this host blocks STUN requests/],
    remedy: /output rules/,
    code: 'ERR_STUN_BLOCKED',
  },
  {
    what: 'a symmetric NAT',
    change: (p) => {
      SERVERS.forEach((server, i) => {
        p.servers.set(server, `203.0.113.9:${40_000 + 2 * i}`);
      });
    },
    named: ['nat', 'note', /its outer port differs from destination to destination, by 2 each time/],
    remedy: /forward a UDP port/,
  },
  {
    what: "the carrier's NAT",
    change: (p) => {
      for (const server of SERVERS) p.servers.set(server, '100.64.3.4:51820');
    },
    named: ['nat', 'note', /carrier-grade NAT/],
    remedy: /IPv6/,
  },
  {
    what: 'a port that another host behind the NAT may have',
    change: (p) => {
      for (const server of SERVERS) p.servers.set(server, '203.0.113.9:1024');
    },
    named: ['nat', 'note', /gives port 1024 for 51820/],
    remedy: /another ListenPort/,
  },
  {
    what: 'a peer behind the same NAT',
    change: (p) => {
      for (const server of SERVERS) p.servers.set(server, '203.0.113.77:51821');
    },
    named: ['nat', 'note', /behind the same NAT as we are/],
    remedy: /local network/,
  },
]);

test('servers of one family each serve a dual-stack interface: none of them is to blame', async (t) => {
  const harness = createHarness(t);
  harness.config = harness.config
    .replace('protocol: ipv4\n', 'protocol: dualstack\n')
    .replace(SERVERS[1], '[2001:db8:ffff::1]:3478')
    .replace(SERVERS[2], '[2001:db8:ffff::2]:3478');
  for (const n of [1, 2]) harness.servers.set(`[2001:db8:ffff::${n}]:3478`, '[2001:db8:1::2]:51820');
  const findings = await harness.examine();
  assert.deepEqual(trouble(findings), []);
  assert.ok(findings.some(({ text }) => /\[2001:db8:ffff::2\]:3478 sees \[2001:db8:1::2\]:51820/.test(text)));
});

test('F7 what a liar says of the port does not count: the NAT is described by the others', async (t) => {
  const harness = createHarness(t);
  harness.servers.set(SERVERS[1], '192.0.2.66:6666');
  const nat = (await harness.examine()).filter(({ check }) => check === 'nat');
  assert.match(nat[0]?.text ?? '', /mapping endpoint-independent.*ports are kept$/);
  assert.ok(!nat.some(({ text }) => /gives port|192\.0\.2\.66/.test(text)), JSON.stringify(nat));
});

test('F5 a full tunnel as wg-quick makes it: marked packets leave outside, all others by the tunnel; that is well', async (t) => {
  const harness = createHarness(t);
  harness.wg.changeDevice('wg0', { firewallMark: 0xca6c });
  const inside = { interface: 'wg0', source: '10.0.0.1' };
  harness.capture.routeTo = async ({ firewallMark }) => (firewallMark === 0 ? inside : ETH0);
  const findings = await harness.examine();
  assert.deepEqual(trouble(findings), []);
  assert.ok(findings.some(({ check, text }) => check === 'route' && /leave by eth0, as WireGuard's own/.test(text)));
});

test('F61 a kernel without nf_tables is told: by its rules a hard NAT is opened', async (t) => {
  const harness = createHarness(t);
  harness.capture.fail('filter', new StunmeshError('ERR_CAPTURE_FILTER', 'this kernel has no nf_tables'));
  const found = (await harness.examine()).filter(({ text }) => /no nf_tables/.test(text));
  assert.deepEqual(
    found.map(({ check, verdict, code }) => [check, verdict, code]),
    [['capture', 'note', 'ERR_CAPTURE_FILTER']],
  );
  assert.match(found[0]?.remedy ?? '', /load the kernel module nf_tables/);
});
