/** Rules in nf_tables over netlink, without the program nft: muffling, diversions, silence about closed ports. */
import { type Diversion, type DiversionRules, type PacketFilter, StunmeshError } from '@stunmesh/core/api';
import {
  encodeNetlinkAddress,
  int32,
  isSystemError,
  MESSAGE,
  type NetlinkMessage,
  netlinkErrno,
} from '@stunmesh/core/capture-kit';
import { formatEndpoint } from '@stunmesh/core/net';
import type { Native } from '../native.js';
import { exchange } from '../netlink-socket.js';
import {
  deleteRule,
  deleteTable,
  dumpRules,
  dumpTables,
  encodeBatch,
  isNft,
  NFT,
  type NftMessage,
  parseRule,
  parseTable,
} from './messages.js';
import {
  deviceOf,
  diversionRules,
  type FoundDiversion,
  hushElements,
  muffleElement,
  readDiversions,
  setUp,
  tableOf,
} from './rules.js';

const NETLINK_NETFILTER = 12;
const RECEIVE_BUFFER_BYTES = 1 << 20;
const ERRNO = { permission: 1, absent: 2, denied: 13, exists: 17 } as const;
const MOST_MS = { muffle: 1000, hush: 120_000 } as const;
const MOST_HUSHED = 512;
/** How the kernel says that a part of itself is not there. */
const MISSING_CODES: ReadonlySet<string> = new Set(['EPROTONOSUPPORT', 'EAFNOSUPPORT', 'EOPNOTSUPP']);
const MISSING_ERRNOS: ReadonlySet<number> = new Set([93, 95, 97]);

export function createPacketFilter(native: () => Native): Required<PacketFilter> {
  /** Carries messages out in one step; errno of the first that was refused, 0: none. */
  const commit = (messages: readonly NftMessage[]): number => {
    const refused = ask(native(), encodeBatch(messages)).find(
      ({ type, body }) => type === MESSAGE.error && netlinkErrno(body) !== 0,
    );
    return refused ? netlinkErrno(refused.body) : 0;
  };
  const apply = (messages: readonly NftMessage[], what: string, expected?: number): void => {
    const errno = commit(messages);
    if (errno !== 0 && errno !== expected) throw filterError(errno, what);
  };
  /** The table, unless it stands. */
  const ensure = (device: string): void => apply(setUp(device), `the table ${tableOf(device)}`, ERRNO.exists);

  const find = (device: string): readonly FoundDiversion[] => {
    const answer = ask(native(), dumpRules(tableOf(device)));
    const refused = answer.find(({ type, body }) => type === MESSAGE.error && netlinkErrno(body) !== 0);
    if (refused && netlinkErrno(refused.body) !== ERRNO.absent)
      throw filterError(netlinkErrno(refused.body), 'a list of rules');
    return readDiversions(
      device,
      answer.flatMap(({ type, body }) => (isNft(type, NFT.newRule) && parseRule(body)) || []),
    );
  };
  const sameRemote = (a: DiversionRules, b: DiversionRules) => formatEndpoint(a.remote) === formatEndpoint(b.remote);
  const removal = ({ device, rules }: FoundDiversion): readonly NftMessage[] =>
    rules.map(({ chain, handle }) => deleteRule(tableOf(device), chain, handle));

  const remove = (rules: DiversionRules): void => {
    const ours = find(rules.device).filter((one) => sameRemote(one, rules) && one.sourcePort === rules.sourcePort);
    if (ours.length > 0) apply(ours.flatMap(removal), `the removal of a diversion of ${rules.device}`, ERRNO.absent);
  };
  const toDiversion = ({ device, localPort, sourcePort, remote }: DiversionRules): Diversion => {
    const rules = { device, localPort, sourcePort, remote };
    let kept = false;
    return {
      ...rules,
      keep() {
        kept = true;
      },
      remove: async () => remove(rules),
      async [Symbol.asyncDispose]() {
        if (!kept) remove(rules);
      },
    };
  };

  return {
    async muffle({ device, localPort, remote, ms }) {
      checkMs(ms, MOST_MS.muffle);
      ensure(device);
      apply(
        [muffleElement(device, { localPort, remote }, ms)],
        `the muffling of ${formatEndpoint(remote)}`,
        ERRNO.exists,
      );
    },
    async divert(rules) {
      ensure(rules.device);
      const before = find(rules.device).filter((one) => sameRemote(one, rules));
      apply([...before.flatMap(removal), ...diversionRules(rules)], `a diversion to ${formatEndpoint(rules.remote)}`);
      return toDiversion(rules);
    },
    diversions: async (device) => find(device).map(toDiversion),
    async hushPorts({ device, ports, ms }) {
      checkMs(ms, MOST_MS.hush);
      if (ports.length > MOST_HUSHED)
        throw new StunmeshError(
          'ERR_CAPTURE_FILTER',
          `at most ${MOST_HUSHED} ports are hushed at a time, not ${ports.length}`,
        );
      ensure(device);
      if (ports.length > 0) apply([hushElements(device, ports, ms)], 'the hushing of ports', ERRNO.exists);
    },
    async removeRules(device) {
      const tables = ask(native(), dumpTables()).flatMap(({ type, body }) => {
        const found = isNft(type, NFT.newTable) ? deviceOf(parseTable(body)) : undefined;
        return found !== undefined && (device === undefined || found === device) ? [found] : [];
      });
      for (const one of tables) apply([deleteTable(tableOf(one))], `the removal of ${tableOf(one)}`, ERRNO.absent);
      return tables;
    },
  };
}

/** The kernel answers before send() returns. Errors: ERR_CAPTURE_FILTER, ERR_CAPTURE_PERMISSION. */
function ask(native: Native, request: Uint8Array): readonly NetlinkMessage[] {
  const { constants: c } = native;
  try {
    const socket = native.open(c.AF_NETLINK, c.SOCK_RAW, NETLINK_NETFILTER);
    try {
      native.setOption(socket, c.SOL_SOCKET, c.SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES));
      native.bind(socket, encodeNetlinkAddress());
      return exchange(native, socket, request);
    } finally {
      native.close(socket);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (MISSING_CODES.has(error.code)) throw missingError(error.message, error);
    throw filterError(-error.errno, 'a question', error);
  }
}

function checkMs(ms: number, most: number): void {
  if (Number.isInteger(ms) && ms >= 1 && ms <= most) return;
  throw new StunmeshError('ERR_CAPTURE_FILTER', `such a rule lasts 1 to ${most} whole milliseconds, not ${ms}`);
}

function filterError(errno: number, what: string, cause?: unknown): StunmeshError {
  const options = { details: { errno }, ...(cause !== undefined && { cause }) };
  if (errno === ERRNO.permission || errno === ERRNO.denied)
    return new StunmeshError(
      'ERR_CAPTURE_PERMISSION',
      `nf_tables refused ${what}: it needs root or CAP_NET_ADMIN`,
      options,
    );
  if (MISSING_ERRNOS.has(errno)) return missingError(`errno ${errno}`, cause);
  return new StunmeshError('ERR_CAPTURE_FILTER', `nf_tables refused ${what} (errno ${errno})`, options);
}

function missingError(reason: string, cause?: unknown): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_FILTER',
    `this kernel has no nf_tables (${reason}): load the module nf_tables, or use a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET`,
    cause === undefined ? {} : { cause },
  );
}
