/** What is wrong with the host itself: its file, rights, programs, devices, daemons and clock. */
import { StunmeshError } from '#src/api/index.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { VERSION } from '#src/version.js';
import { keyPair } from '../controllers/far-side.js';
import { codedPlain } from '../record/coded.js';
import { testCases } from './cases.js';
import { MAPPED, NOW, now, ownRecord, PEER4, snapshotOf } from './harness.js';

const HOUR = 3600;

testCases([
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
      p.parts.capture = () => Promise.reject(new StunmeshError('ERR_CAPTURE_ADDON', 'run cc'));
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
    what: 'a host without loopback',
    change: (p) => p.capture.setRoute('127.0.0.1', undefined),
    named: ['capture', 'warning', /no way to 127\.0\.0\.1/],
    remedy: /ip link set lo up/,
  },
  {
    what: 'a device that is not there',
    change: (p) => p.wg.removeDevice('wg0'),
    named: ['device', 'fault', /^there is none/],
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
    what: 'a device without a port on FreeBSD, in its words',
    change: (p) => {
      p.system.platform = 'freebsd';
      p.wg.changeDevice('wg0', { listenPort: 0 });
    },
    named: ['device', 'fault', /listens on no port/],
    remedy: /ifconfig wg0 up/,
  },
  {
    what: 'a device in another network namespace, whose control socket answers,',
    change: (p) => p.capture.loseDevice('wg0'),
    named: ['device', 'warning', /^the device is in another network namespace/],
    remedy: /ip netns exec/,
  },
  {
    what: 'a device in another network namespace that pings are to be sent through',
    change: (p) => {
      p.config = p.config.replace('protocol: ipv4 }', 'protocol: ipv4, ping: { enabled: true, target: 10.0.0.2 } }');
      p.capture.loseDevice('wg0');
    },
    named: ['device', 'fault', /no ping, can be sent into the tunnel from here/],
    code: 'ERR_CAPTURE_OPEN',
  },
  {
    what: 'a daemon that does not run on FreeBSD, in its words',
    change: (p) => {
      p.system.platform = 'freebsd';
      p.daemons.clear();
    },
    named: ['daemon', 'note', /no stunmesh daemon runs/],
    remedy: /`service stunmesh start`/,
  },
  {
    what: 'F39 a user who is not root, on FreeBSD',
    change: (p) => {
      p.system.platform = 'freebsd';
      p.system.userId = 1000;
      p.system.capabilities = async () => undefined;
    },
    named: ['privileges', 'fault', /which is not root/],
    remedy: /^run as root\.$/,
    code: 'ERR_CAPTURE_PERMISSION',
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
    what: 'F38 a daemon in a container that shares the network',
    change: (p) => {
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 11));
      p.daemons.set('/opt/other/wg0.sock', new StunmeshError('ERR_CONTROL_NOT_RUNNING', 'no daemon serves it'));
    },
    named: ['daemon', 'warning', /in another file system, such as a container, serves \/opt\/other\/wg0\.sock/],
    remedy: /run doctor there/,
  },
  {
    what: 'a control socket that is closed to us',
    change: (p) => {
      const text = 'cannot reach a daemon at /run/stunmesh/wg0.sock: permission denied; ask as root';
      p.daemons.set('/run/stunmesh/wg0.sock', new StunmeshError('ERR_CONTROL_DENIED', text));
    },
    named: ['daemon', 'warning', /permission denied; ask as root/],
    code: 'ERR_CONTROL_DENIED',
  },
  {
    what: 'a capture that does not hear loopback, as those of BSD',
    change: (p) => {
      p.system.platform = 'freebsd';
      Object.assign(p.capture, { capturesBeforeFirewall: true });
      const { onSend } = p.capture;
      p.capture.onSend = (sent) => (sent.to.address === '127.0.0.1' ? undefined : onSend(sent));
    },
    named: ['capture', 'note', /loopback is not captured here/],
  },
  {
    what: 'WireGuard that nobody has used yet, where the kernel does not tell',
    change: (p) => {
      p.system.kernelModule = async () => undefined;
      p.wg.removeDevice('wg0');
    },
    named: ['wireguard', 'note', /there is no WireGuard device yet/],
  },
  {
    what: 'a kernel module that is not loaded',
    change: (p) => {
      p.system.kernelModule = async () => 'available';
      p.wg.removeDevice('wg0');
    },
    named: ['wireguard', 'note', /is there and not loaded/],
  },
  {
    what: 'records of all peers from tomorrow',
    change: (p) => {
      const other = keyPair('site-c');
      p.wg.addPeer('wg0', { publicKey: other.publicKey });
      p.config += `      site-c: { public_key: ${other.publicKey}, plugin: main, protocol: ipv4 }\n`;
      p.put({ t: now + 26 * HOUR });
      const sealed = createChannel(other.secretKey, p.own.publicKey).seal(
        codedPlain({}, { t: now + 25 * HOUR, f: fingerprint(other.publicKey) }),
      );
      p.store.records.set(storeKey(other.publicKey, p.own.publicKey), sealed);
    },
    named: ['clock', 'fault', /records of all peers are dated up to 26 h in the future: this host's clock is behind/],
    remedy: /timedatectl/,
  },
  {
    what: 'our own record from tomorrow',
    change: (p) => ownRecord(p, MAPPED, now + 24 * HOUR),
    named: ['clock', 'warning', /our own record is dated 24 h in the future/],
    remedy: /timedatectl/,
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
    what: 'F75 a run_dir that others may change',
    change: (p) => {
      p.system.whoMayChange = async (path) => (path === '/run/stunmesh' ? 'everybody may write to it' : undefined);
    },
    named: ['configuration', 'fault', /run_dir \/run\/stunmesh: everybody may write to it/],
    remedy: /chmod 700/,
    code: 'ERR_RUN_DIR',
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
]);
