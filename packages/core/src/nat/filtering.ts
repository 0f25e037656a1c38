/** Which strangers a NAT lets in, by a server that answers from its other address (RFC 5780 section 4.4). */
import { type Endpoint, hasCode } from '../api/index.js';
import { contains, formatEndpoint, parseAddress, parsePrefix, refusedAddress, sameEndpoint } from '../net/index.js';
import { ATTRIBUTE, type ChangeRequest, readAddress } from '../stun/attributes.js';
import type { StunMessage } from '../stun/message.js';
import type { BindingAnswer } from '../stun/transaction.js';
import type { FilteringBehaviour } from './behaviour-types.js';

/** Asks `server` from WireGuard's port; the reply may come from any of `sources`. Errors: those of a transaction. */
export type Ask = (question: {
  readonly server: Endpoint;
  readonly change?: ChangeRequest;
  readonly sources?: readonly Endpoint[];
}) => Promise<BindingAnswer>;

export interface FilteringVerdict {
  readonly filtering: FilteringBehaviour;
  readonly reasons: readonly string[];
  /** The answer of the server's other address with its first port, where that was asked. */
  readonly control?: BindingAnswer;
}

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10'];

/** The server's other address and port (OTHER-ADDRESS, CHANGED-ADDRESS of old servers), where it is one that can be used. */
export function otherAddress(message: StunMessage, server: Endpoint): Endpoint | undefined {
  const other = readAddress(message, ATTRIBUTE.OTHER_ADDRESS) ?? readAddress(message, ATTRIBUTE.CHANGED_ADDRESS);
  if (!other || other.family !== server.family || other.port === 0) return undefined;
  if (other.address === server.address || other.port === server.port) return undefined;
  const bytes = parseAddress(other.address);
  if (!bytes || refusedAddress(bytes) !== undefined) return undefined;
  // A server behind a one-to-one NAT tells the address that only its own network knows.
  return isPrivate(other.address) && !isPrivate(server.address) ? undefined : other;
}

/** True for the ranges of RFC 1918 and RFC 4193 and for link-local IPv6. */
export function isPrivate(address: string): boolean {
  return inRange(address, PRIVATE);
}

/** True for the carriers' shared range (RFC 6598). */
export function isCarrierRange(address: string): boolean {
  return inRange(address, ['100.64.0.0/10']);
}

function inRange(address: string, ranges: readonly string[]): boolean {
  const bytes = parseAddress(address) ?? new Uint8Array();
  return ranges.flatMap((text) => parsePrefix(text) ?? []).some((prefix) => contains(prefix, bytes));
}

/** Tests II and III of section 4.4, both at once: neither sends anything to where the other's answer comes from. The only address that
 * is asked besides is the other one with its first port, and that afterwards, so that a NAT that counts ports learns nothing. */
export async function testFiltering(
  ask: Ask,
  server: Endpoint,
  other: Endpoint,
  contacted: ReadonlySet<string>,
): Promise<FilteringVerdict> {
  const otherPort = { ...server, port: other.port };
  const otherFirst = { ...other, port: server.port };
  const [both, port] = await Promise.all([
    outcome(ask({ server, change: { changeIp: true, changePort: true }, sources: [other, server] }), server),
    outcome(ask({ server, change: { changeIp: false, changePort: true }, sources: [otherPort, server] }), server),
  ]);
  const name = formatEndpoint(server);
  if (both === 'unsupported')
    return { filtering: 'unknown', reasons: [`${name} tells of another address, but does not answer from there`] };
  if (both === 'passed') {
    if (!contacted.has(other.address)) return { filtering: 'endpoint-independent', reasons: [] };
    return {
      filtering: 'address-dependent',
      reasons: [
        `packets went to ${other.address} before: whether it passes as a stranger cannot be told, so the stricter is assumed`,
      ],
    };
  }
  // Should its other address be dead the truth is 'endpoint-independent', which connects with the same peers. To ask that address would make
  // a later examination say so of every NAT that goes by addresses.
  if (port === 'passed') return { filtering: 'address-dependent', reasons: [] };
  const control = await ask({ server: otherFirst }).catch(() => undefined);
  if (!control)
    return {
      filtering: 'unknown',
      reasons: [`the other address of ${name} answers nothing at all, so its silence proves no filter`],
    };
  return { filtering: 'address-and-port-dependent', reasons: [], control };
}

async function outcome(
  answer: Promise<BindingAnswer>,
  server: Endpoint,
): Promise<'passed' | 'filtered' | 'unsupported'> {
  try {
    return sameEndpoint((await answer).from, server) ? 'unsupported' : 'passed';
  } catch (error) {
    return hasCode(error, 'ERR_STUN_NO_RESPONSE') ? 'filtered' : 'unsupported';
  }
}
