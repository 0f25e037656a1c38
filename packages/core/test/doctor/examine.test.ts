/** Doctor over doubles: a good host is well, and each thing that is wrong is named once, graded, with a remedy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePublicKey, StunmeshError } from '#src/api/index.js';
import { exitStatus, type Finding } from '#src/doctor/finding.js';
import { parseEndpoint } from '#src/net/index.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { captureError } from '#src/testing/index.js';
import { VERSION } from '#src/version.js';
import { keyPair } from '../controllers/far-side.js';
import { createPatient, inOrder, MAPPED, NOW, type Patient, PEER_AT, SERVERS, snapshotOf, trouble } from './patient.js';

const HOUR = 3600;
const PEER4 = parseEndpoint(PEER_AT);
const now = NOW / 1000;
const DENIED = new StunmeshError('ERR_STORE_DENIED', 'the token is not accepted');
const TRY_LATER = new StunmeshError('ERR_STORE_UNAVAILABLE', 'overloaded', { retryAfterMs: 30_000 });

test('F16 a good host is well; nothing is written to WireGuard, and one key of its own to the store', async (t) => {
  const patient = createPatient(t);
  const before = new Map(patient.store.records);
  const findings = await patient.examine();
  assert.deepEqual(trouble(findings), []);
  assert.equal(exitStatus(findings), 0);
  assert.ok(inOrder(findings));
  assert.deepEqual(patient.wg.writes, []);
  assert.deepEqual(patient.store.records, before, 'its own key is deleted again');
  assert.equal(patient.capture.stunSockets.size, 0, 'sockets are closed');
  const last = findings.at(-1);
  assert.match(last?.text ?? '', /^connected at 203\.0\.113\.77:51820: the last handshake was 3\d s ago$/);
});

test('F34 neither keys nor sealed records reach the findings', async (t) => {
  const patient = createPatient(t);
  const text = JSON.stringify(await patient.examine());
  const secrets = [Buffer.from(patient.own.secretKey.expose()).toString('hex'), ...patient.store.records.values()];
  for (const secret of secrets) assert.ok(!text.includes(secret));
  assert.ok(!text.includes(Buffer.from(patient.own.secretKey.expose()).toString('base64')));
});

test('without the right to write, stores are read only', async (t) => {
  const patient = createPatient(t);
  patient.parts.storeWrite = false;
  let writes = 0;
  const { set } = patient.store;
  patient.store.set = (...call) => {
    writes += 1;
    return set(...call);
  };
  const findings = await patient.examine();
  assert.equal(writes, 0);
  assert.match(find(findings, 'store')?.text ?? '', /writing was not tried/);
});

const find = (findings: readonly Finding[], check: string): Finding | undefined =>
  findings.find((finding) => finding.check === check);

/** No handshake and no daemon: the tunnel is not there. */
const lonely = ({ wg, peer }: Patient): void => {
  wg.addPeer('wg0', { publicKey: peer.publicKey });
};

interface Case {
  readonly what: string;
  change(patient: Patient): void;
  readonly named: readonly [check: string, verdict: Finding['verdict'], text: RegExp];
  readonly remedy?: RegExp;
  readonly code?: string;
}

const CASES: readonly Case[] = [
  {
    what: 'F40 a configuration that is not valid',
    change: (p) => {
      p.config = 'refresh_interval: 10\n';
    },
    named: ['configuration', 'fault', /refresh_interval/],
    remedy: /stunmesh config check/,
    code: 'ERR_CONFIG_INVALID',
  },
  {
    what: 'a warning of the configuration',
    change: (p) => {
      p.config = p.config.replace('protocol: ipv4\n', 'protocol: ipv4\n    proxy: { listen: 1 }\n');
    },
    named: ['configuration', 'warning', /no effect/],
    remedy: /change the file/,
  },
  {
    what: 'a device that the configuration does not have',
    change: (p) => {
      p.parts.device = 'wg7';
    },
    named: ['configuration', 'fault', /no interface "wg7"; it has: wg0/],
    remedy: /--device/,
  },
  {
    what: 'F39 missing capabilities',
    change: (p) => {
      p.system.userId = 1000;
      p.system.capabilities = async () => new Set(['CAP_NET_ADMIN'] as const);
    },
    named: ['privileges', 'fault', /^user 1000, without CAP_NET_RAW$/],
    remedy: /run as root, or with CAP_NET_RAW/,
    code: 'ERR_CAPTURE_PERMISSION',
  },
  {
    what: 'a user who is not root, where there are no capabilities',
    change: (p) => {
      p.system.userId = 1000;
      p.system.capabilities = async () => undefined;
    },
    named: ['privileges', 'fault', /which is not root/],
    remedy: /run as root/,
  },
  {
    what: 'F39 no wg in PATH',
    change: (p) => {
      p.system.program = async () => undefined;
    },
    named: ['wireguard', 'fault', /the command wg is not in PATH/],
    remedy: /install wireguard-tools/,
    code: 'ERR_WG_NOT_FOUND',
  },
  {
    what: 'no wg in PATH, where every device has a userspace socket',
    change: (p) => {
      p.system.program = async () => undefined;
      p.system.userspaceDevices = async () => ['wg0'];
    },
    named: ['wireguard', 'warning', /devices with a userspace socket work/],
    remedy: /install wireguard-tools/,
  },
  {
    what: 'F39 no WireGuard at all',
    change: (p) => {
      p.system.kernelModule = async () => 'absent';
      p.wg.removeDevice('wg0');
    },
    named: ['wireguard', 'fault', /neither a kernel module nor a userspace WireGuard/],
    remedy: /install WireGuard/,
  },
  {
    what: 'a capture module that is not there',
    change: (p) => {
      p.parts.loadCapture = () => Promise.reject(new StunmeshError('ERR_CAPTURE_ADDON', 'run cc'));
    },
    named: ['capture', 'fault', /run cc/],
    remedy: /build line/,
    code: 'ERR_CAPTURE_ADDON',
  },
  {
    what: 'F4 a filter that lets everything in',
    change: (p) => {
      const { onSend } = p.capture;
      p.capture.onSend = (sent) => {
        if (sent.to.address === '127.0.0.1') {
          const from = { ...sent.to, port: sent.localPort };
          for (const { onMessage } of p.capture.stunSockets) onMessage({ message: sent.message, from, to: from });
        }
        onSend(sent);
      };
    },
    named: ['capture', 'fault', /let a packet through that is no STUN reply/],
    remedy: /build the capture module again/,
  },
  {
    what: 'F9 a loopback that is closed to the self-test',
    change: (p) => {
      const { onSend } = p.capture;
      p.capture.onSend = (sent) => (sent.to.address === '127.0.0.1' ? undefined : onSend(sent));
    },
    named: ['capture', 'fault', /the STUN reply did not arrive/],
    remedy: /firewall/,
  },
  {
    what: 'a device that is not there',
    change: (p) => p.wg.removeDevice('wg0'),
    named: ['device', 'fault', /there is none/],
    remedy: /wg-quick up/,
    code: 'ERR_WG_DEVICE_NOT_FOUND',
  },
  {
    what: 'a device without a port',
    change: (p) => p.wg.changeDevice('wg0', { listenPort: 0 }),
    named: ['device', 'fault', /listens on no port/],
    remedy: /ip link set wg0 up/,
  },
  {
    what: 'F38 two daemons for one device',
    change: (p) => {
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 11));
      p.daemons.set('/tmp/other/wg0.sock', snapshotOf(p, 12));
      p.daemons.set('/run/wireguard/wg0.sock', snapshotOf(p, 13));
    },
    named: ['daemon', 'fault', /^2 daemons serve.*process 11 \(\/run\/stunmesh\/wg0\.sock\) and process 12 /],
    remedy: /stop that process/,
    code: 'ERR_LOCKED',
  },
  {
    what: 'a daemon of another version',
    change: (p) => p.daemons.set('/run/stunmesh/wg0.sock', { ...snapshotOf(p, 11), stunmesh: '0.0.1' }),
    named: ['daemon', 'warning', new RegExp(`0\\.0\\.1, this command is ${VERSION.replaceAll('.', '\\.')}`)],
    remedy: /restart the daemon/,
  },
  {
    what: 'what a daemon complains of',
    change: (p) => {
      const snapshot = snapshotOf(p, 11);
      const errors = [{ of: 'ipv4', code: 'ERR_STUN_NO_RESPONSE', message: 'nobody answered', at: NOW }];
      p.daemons.set('/run/stunmesh/wg0.sock', {
        ...snapshot,
        devices: snapshot.devices.map((d) => ({ ...d, errors })),
      });
    },
    named: ['daemon', 'warning', /last error \(ipv4\): nobody answered/],
    remedy: /try other servers/,
    code: 'ERR_STUN_NO_RESPONSE',
  },
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
    change: (p) => p.capture.setRoute('203.0.113.77', { interface: 'eth7', source: '192.0.2.1' }),
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
  {
    what: 'a clock that is not set',
    change: (p) => p.clock.jumpWall(-NOW),
    named: ['clock', 'fault', /1970-01-01T00:00:\d\d.*: it is not set/],
    remedy: /timedatectl/,
  },
  {
    what: 'F21 a record from tomorrow',
    change: (p) => p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now + 24 * HOUR }),
    named: ['clock', 'warning', /record of wg0\/site-b is dated 24 h in the future/],
    remedy: /date -u/,
  },
  {
    what: 'a web server with another day',
    change: (p) => {
      p.config = p.config.replace('name: file, path: /srv/records', 'name: cloudflare, zone: example.com, token: x');
      p.system.httpDate = async () => NOW - 24 * HOUR * 1000;
    },
    named: ['clock', 'fault', /clock is 24 h ahead, by the Date of api\.cloudflare\.com/],
    remedy: /timedatectl/,
  },
  {
    what: 'F33 a store that refuses us',
    change: (p) => {
      p.store.failure = DENIED;
    },
    named: ['store', 'fault', /^it cannot be read: the token is not accepted$/],
    remedy: /check token, password or file mode/,
    code: 'ERR_STORE_DENIED',
  },
  {
    what: 'a store that asks for patience',
    change: (p) => {
      p.store.failure = TRY_LATER;
    },
    named: ['store', 'fault', /overloaded \(try again in 30 s\)/],
    remedy: /address and network/,
  },
  {
    what: 'a store that can be read only',
    change: (p) => {
      p.store.set = () => Promise.reject(DENIED);
    },
    named: ['store', 'fault', /it can be read and not written \(read-only\)/],
    remedy: /what they are allowed to do/,
    code: 'ERR_STORE_DENIED',
  },
  {
    what: 'a store that shows changes late',
    change: (p) => {
      p.store.set = async () => {};
    },
    named: ['store', 'warning', /what was written is not read back yet$/],
    remedy: /both sides use the same one/,
  },
  {
    what: 'a slow store',
    change: (p) => {
      const { get } = p.store;
      p.store.get = async (...call) => {
        await p.clock.sleep(3_500);
        return get(...call);
      };
    },
    named: ['store', 'warning', /read in 3500 ms.*: slow/],
    remedy: /network/,
  },
  {
    what: 'F36 a store for short values',
    change: (p) => {
      p.traits = { maxValueBytes: 255, minPollMs: 500, expiresAfterMs: 600_000 };
    },
    named: ['store', 'note', /up to 255 characters.*forgets after 10 min; .*members are left out/],
  },
  {
    what: 'F17 a peer whose key the device does not know',
    change: (p) => {
      p.wg.removePeer('wg0', p.peer.publicKey);
      p.wg.addPeer('wg0', { publicKey: keyPair('meant').publicKey });
    },
    named: [
      'peer',
      'fault',
      new RegExp(
        `no peer with the public key .*; of its peers ${keyPair('meant').publicKey.replace(/[+/]/g, '\\$&')} is not in the configuration`,
      ),
    ],
    remedy: /Compare its public key with `wg show`/,
    code: 'ERR_WG_PEER_NOT_FOUND',
  },
  {
    what: 'F33 a peer without a record',
    change: (p) => {
      lonely(p);
      p.store.records.clear();
    },
    named: ['peer', 'fault', /^needs the other side: there is no record of it in the store "main"$/],
    remedy: new RegExp(`start stunmesh there.*${keyPair('own').publicKey.replace(/[+/]/g, '\\$&')}`),
  },
  {
    what: 'a peer without a record whose tunnel stands',
    change: (p) => p.store.records.clear(),
    named: ['peer', 'note', /^there is no record of it/],
  },
  {
    what: 'a record that somebody else sealed',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now }, keyPair('stranger'));
    },
    named: [
      'peer',
      'fault',
      /needs the other side: its record in "main" is of no use: .* sealed by or for somebody else/,
    ],
    remedy: /each other's present public keys/,
    code: 'ERR_RECORD_UNOPENED',
  },
  {
    what: 'F20 our own record in its place',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now, f: fingerprint(p.own.publicKey) });
    },
    named: ['peer', 'fault', /one of our own/],
    remedy: /look who has its credentials/,
    code: 'ERR_RECORD_REFLECTED',
  },
  {
    what: 'F22 a key that anybody can read',
    change: (p) => {
      const weak = parsePublicKey(Buffer.from([1, ...new Array<number>(31).fill(0)]).toString('base64'));
      assert.ok(weak);
      p.config = p.config.replace(p.peer.publicKey, weak);
      p.wg.addPeer('wg0', { publicKey: weak });
    },
    named: ['peer', 'fault', /of low order/],
    remedy: /make a new key pair/,
    code: 'ERR_KEY_WEAK',
  },
  {
    what: 'an old record',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now - 72 * HOUR });
    },
    named: [
      'peer',
      'warning',
      /is 3 d old.*it does not run there, or cannot write, or its clock is behind by that much/,
    ],
    remedy: /stunmesh status/,
  },
];

const ETH0 = { interface: 'eth0', source: '192.168.1.2' } as const;

/** Unmarked packets leave by eth0, marked ones as `marked` says. */
function byMark(
  patient: Patient,
  marked: (address: string) => { interface: string; source: string } | undefined,
): void {
  patient.capture.routeTo = async ({ to, firewallMark }) => (firewallMark === 0 ? ETH0 : marked(to));
}

for (const { what, change, named, remedy, code } of CASES) {
  test(`${what} is named`, async (t) => {
    const patient = createPatient(t);
    change(patient);
    const findings = await patient.examine();
    const [check, verdict, text] = named;
    const matching = findings.filter((f) => f.check === check && f.verdict === verdict && text.test(f.text));
    assert.equal(matching.length, 1, `${check} ${verdict} ${text} among\n${trouble(findings, true).join('\n')}`);
    if (remedy) assert.match(matching[0]?.remedy ?? '', remedy);
    if (code !== undefined) assert.equal(matching[0]?.code, code);
    const graded = findings.filter((f) => f.verdict === 'warning' || f.verdict === 'fault');
    for (const finding of graded) assert.ok(finding.remedy, `${finding.check}: ${finding.text} has a remedy`);
  });
}

test('the verdict on a tunnel that is not there: should work, cannot, not foretold, up to the daemon', async (t) => {
  const verdictOf = async (change: (patient: Patient) => void): Promise<Finding> => {
    const patient = createPatient(t);
    lonely(patient);
    change(patient);
    const finding = (await patient.examine()).at(-1);
    assert.equal(finding?.check, 'peer');
    return finding as Finding;
  };
  const told = (p: Patient, b: string) =>
    p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now, f: fingerprint(p.peer.publicKey), b });
  const symmetric = (p: Patient) => {
    SERVERS.forEach((server, i) => {
      p.servers.set(server, `203.0.113.9:${40_000 + i}`);
    });
  };

  const works = await verdictOf((p) => told(p, '4ee'));
  assert.equal(works.verdict, 'note');
  assert.match(works.text, /^should connect by IPv4: .*full cone.*; no handshake yet$/);
  assert.match(works.remedy ?? '', /^start stunmesh here and look again\.$/);

  const cannot = await verdictOf((p) => {
    symmetric(p);
    p.other = '198.51.100.101:3479';
    for (const [i, port] of [3478, 3479].entries())
      p.servers.set(`198.51.100.101:${port}`, `203.0.113.9:${41_000 + i}`);
    told(p, '4pp');
  });
  assert.equal(cannot.verdict, 'fault');
  assert.match(cannot.text, /^cannot connect: .*symmetric.*symmetric/);
  assert.match(cannot.remedy ?? '', /forward UDP port 51820 on the router of this host.*; or .*IPv6/);

  const unknown = await verdictOf(() => {});
  assert.equal(unknown.details?.['outcome'], 'unknown');

  const tried = await verdictOf((p) => {
    told(p, '4ee');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting' }));
    if (PEER4) p.wg.changePeer('wg0', p.peer.publicKey, { endpoint: PEER4 });
  });
  assert.equal(tried.verdict, 'warning');
  assert.match(tried.remedy ?? '', /look on site-b/);

  const blind = await verdictOf((p) => {
    for (const server of SERVERS) p.servers.set(server, undefined);
  });
  assert.match(blind.text, /^nothing can be foretold while no STUN server tells/);

  const idle = await verdictOf((p) => p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'idle' })));
  assert.deepEqual([idle.verdict, idle.text.slice(0, 4)], ['ok', 'idle']);
});

test('a daemon knows better than the handshake whether a peer is connected', async (t) => {
  const patient = createPatient(t);
  patient.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(patient, 1, { phase: 'suspect' }));
  assert.match((await patient.examine()).at(-1)?.text ?? '', /^cannot be foretold/);
});

test('what a check cannot bear is a finding of its own, and the others go on', async (t) => {
  const patient = createPatient(t);
  patient.system.capabilities = () => Promise.reject(new TypeError('no such thing'));
  const findings = await patient.examine();
  assert.deepEqual(trouble(findings), ['privileges fault no such thing']);
  assert.equal(find(findings, 'privileges')?.code, 'ERR_INTERNAL');
  assert.ok(findings.some(({ text }) => text.includes(MAPPED)));
});
