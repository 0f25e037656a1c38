/** A side's router that maps ports: miniupnpd in its namespace, on an address that it takes for a public one. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findMiniupnpd, type Host, type Lab, type LabProcess, must, REPOSITORY, run, until } from '../../lab/index.js';
import { outermost, type RouterPlan } from '../../lab/plan.js';

export interface RouterOptions {
  /** PCP and NAT-PMP, which miniupnpd has together. Default: true. */
  readonly pcp?: boolean;
  /** Default: true. */
  readonly upnp?: boolean;
  /** UPnP as of version 1. Default: false. */
  readonly version1?: boolean;
  /** Rules about ports, in the place of one that allows all. */
  readonly rules?: readonly string[];
  /** The router's own address, as it says, where it is another than the one that it translates to. */
  readonly claims?: string;
  /** The inner one of two routers, whose own address is a carrier's private one. */
  readonly inner?: true;
  /** Another program than miniupnpd, which speaks NAT-PMP and refuses PCP by its version. */
  readonly natPmpAlone?: true;
}

export interface MappingRouter {
  /** What the side's packets come from. */
  readonly publicAddress: string;
  readonly namespace: string;
  /** The rules that miniupnpd made, as nft shows them. */
  rules(): Promise<string>;
  /** Ends it and its rules, as a reboot does, and starts it again. */
  restart(): Promise<void>;
  /** Another public address. */
  move(): Promise<string>;
  /** Its rules go and it does not know, as where a firewall is loaded anew. */
  reloadFirewall(): Promise<void>;
  /** Nothing to it is answered any more. */
  silence(): Promise<void>;
  /** It answers again. */
  speak(): Promise<void>;
  stop(): Promise<void>;
}

const NAT_PMP_ROUTER = join(REPOSITORY, 'test/fixtures/portmap/nat-pmp-router.mjs');

/** The laboratory's public network is one of documentation, where miniupnpd maps nothing. */
const publicAddressOf = ({ index }: RouterPlan, moves: number): string => `45.66.${77 + moves}.${11 + index}`;

export async function startRouter(lab: Lab, host: Host, options: RouterOptions = {}): Promise<MappingRouter> {
  const plan = (options.inner && host.plan.routers[0]) || outermost(host.plan);
  const { namespace } = plan;
  const { program, env } = await findMiniupnpd();
  const folder = join(lab.dir, `router-${plan.index}`);
  await mkdir(folder, { recursive: true });
  let moves = 0;
  let child: LabProcess | undefined;
  const nft = (input: string) => must(namespace, ['nft', '-f', '-'], { input });

  const takeAddress = async (): Promise<string> => {
    const address = publicAddressOf(plan, moves);
    await must(lab.publicNamespace, ['ip', 'route', 'replace', `${address}/32`, 'via', plan.wanAddress]);
    await must(namespace, ['ip', 'addr', 'replace', `${address}/32`, 'dev', 'wan']);
    const random = plan.kind === 'symmetric' ? ' random,fully-random' : '';
    await nft(
      `flush chain ip translate outward\nadd rule ip translate outward oifname "wan" snat to ${address}${random}\n`,
    );
    await run(namespace, ['conntrack', '-F']);
    return address;
  };

  const start = async (): Promise<void> => {
    const file = join(folder, 'miniupnpd.conf');
    const yes = (value: boolean) => (value ? 'yes' : 'no');
    const config = [
      'ext_ifname=wan',
      ...(options.inner ? [] : [`ext_ip=${options.claims ?? publicAddressOf(plan, moves)}`]),
      'listening_ip=lan',
      ...(plan.ipv6 ? [] : ['ipv6_disable=yes']),
      `enable_natpmp=${yes(options.pcp ?? true)}`,
      `enable_upnp=${yes(options.upnp ?? true)}`,
      `force_igd_desc_v1=${yes(options.version1 ?? false)}`,
      'http_port=5000',
      'secure_mode=yes',
      // Else the epoch is this machine's own, and no restart would show.
      'system_uptime=no',
      'uuid=68555350-3352-3883-2883-335030522880',
      'upnp_table_name=mapping',
      'upnp_nat_table_name=mapping',
      'upnp_forward_chain=allowed',
      'upnp_nat_chain=mapped',
      'upnp_nat_postrouting_chain=back',
      ...(options.rules ?? ['allow 1024-65535 0.0.0.0/0 1024-65535']),
    ];
    await writeFile(file, `${config.join('\n')}\n`);
    await nft(TABLE);
    const argv = options.natPmpAlone
      ? [process.execPath, NAT_PMP_ROUTER, plan.lanAddress, publicAddressOf(plan, moves)]
      : [program, '-d', '-f', file, '-P', join(folder, 'pid')];
    const started = lab.spawn(namespace, argv, { env, logFile: join(folder, 'log') });
    child = started;
    await until(
      () => {
        if (!started.running) throw new Error(`the router's program ended: ${started.stdout}${started.stderr}`);
        return /HTTP listening|Listening for NAT-PMP|PCP|listening on port/i.test(started.stdout + started.stderr);
      },
      { what: 'miniupnpd to listen', pollMs: 10 },
    );
  };

  // What stands before the host's IPv6 is the table of miniupnpd.
  if (plan.ipv6?.filter === 'stateful') await nft('add table ip6 guard\ndelete table ip6 guard\n');
  let publicAddress = options.inner ? host.publicAddress : await takeAddress();
  host.publicAddress = publicAddress;
  await start();
  return {
    get publicAddress() {
      return publicAddress;
    },
    namespace,
    rules: async () => (await run(namespace, ['nft', 'list', 'table', 'inet', 'mapping'])).stdout,
    async restart() {
      await child?.kill();
      await nft('delete table inet mapping\n');
      await run(namespace, ['conntrack', '-F']);
      await start();
    },
    async move() {
      const before = publicAddress;
      moves += 1;
      await child?.kill();
      await nft('delete table inet mapping\n');
      await must(namespace, ['ip', 'addr', 'del', `${before}/32`, 'dev', 'wan']);
      publicAddress = await takeAddress();
      host.publicAddress = publicAddress;
      await start();
      return publicAddress;
    },
    async reloadFirewall() {
      await nft('flush chain inet mapping mapped\nflush chain inet mapping allowed\n');
      await run(namespace, ['conntrack', '-F']);
    },
    silence: () => nft(SILENCE).then(() => undefined),
    speak: () => nft('delete table inet silence\n').then(() => undefined),
    async stop() {
      await child?.kill();
      await nft('delete table inet mapping\n');
    },
  };
}

/** IPv6 is let in by its rules alone; of IPv4 the laboratory's own table takes care. */
const TABLE = `table inet mapping {
chain allowed { }
chain mapped { }
chain back { }
chain forward { type filter hook forward priority 0; policy accept;
ct state established,related accept
jump allowed
meta nfproto ipv6 iifname "wan" drop
}
chain prerouting { type nat hook prerouting priority -100; policy accept;
jump mapped
}
chain postrouting { type nat hook postrouting priority 101; policy accept;
jump back
}
}
`;

const SILENCE = `table inet silence {
chain local { type filter hook input priority -1; policy accept;
iifname "lan" meta l4proto { udp, tcp } drop
}
}
`;
