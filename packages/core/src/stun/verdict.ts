/** What the answers of STUN servers mean: the endpoint to publish, or the one error that sums up why there is none; pure. */
import { type Endpoint, type Family, hasCode, StunmeshError } from '../api/index.js';
import { formatEndpoint, parseAddress, refusedAddress } from '../net/index.js';
import { readMappedAddress } from './attributes.js';
import type { BindingAnswer } from './transaction.js';

export interface Reflexive {
  /** What to publish. */
  readonly endpoint: Endpoint;
  /** What the server saw. */
  readonly mapped: Endpoint;
  readonly natted: boolean;
}

export interface Place {
  readonly family: Family;
  readonly listenPort: number;
  /** Canonical text. */
  readonly ownAddresses: ReadonlySet<string>;
  /** Of the tunnel itself, among them. */
  readonly tunnelAddresses?: ReadonlySet<string>;
}

/** Judges an answer (F7). Errors: ERR_STUN_REFUSED, when it has no address or one that no peer could use. */
export function judgeAnswer({ message, from }: BindingAnswer, place: Place): Reflexive {
  const mapped = readMappedAddress(message);
  const reason = mapped === undefined ? 'without a mapped address' : unusable(mapped, place.family);
  if (mapped === undefined || reason !== undefined)
    throw new StunmeshError('ERR_STUN_REFUSED', `${formatEndpoint(from)} answered ${reason}`, {
      details: { server: formatEndpoint(from) },
    });
  if (place.tunnelAddresses?.has(mapped.address))
    throw new StunmeshError(
      'ERR_STUN_REFUSED',
      `${formatEndpoint(from)} answered with an address of the tunnel itself, ${formatEndpoint(mapped)}`,
      { details: { server: formatEndpoint(from) } },
    );
  if (!place.ownAddresses.has(mapped.address)) return { endpoint: mapped, mapped, natted: true };
  // No NAT in front. Another port was seen because this host's own masquerading rewrites the probe, which it does not do to WireGuard.
  return { endpoint: { ...mapped, port: place.listenPort }, mapped, natted: false };
}

function unusable(mapped: Endpoint, family: Family): string | undefined {
  const text = formatEndpoint(mapped);
  if (mapped.family !== family) return `with an address of IPv${mapped.family}, ${text}, to a question by IPv${family}`;
  const kind = refusedAddress(parseAddress(mapped.address) ?? new Uint8Array(4));
  if (kind !== undefined) return `with an unusable address, ${text} (${kind})`;
  return mapped.port === 0 ? `with port 0, ${text}` : undefined;
}

/** Codes of servers to which nothing was sent. */
const NOT_ASKED = ['ERR_RESOLVE', 'ERR_STUN_ADDRESS'] as const;

/** The error of a discovery in which every server failed; its message names each with its reason. */
export function summariseFailures(failures: ReadonlyMap<string, StunmeshError>, family: Family): StunmeshError {
  if (failures.size === 0)
    return new StunmeshError('ERR_STUN_NO_SERVER', 'no STUN server is configured: add at least one to stun.addresses');
  const asked = [...failures.values()].filter((e) => !NOT_ASKED.some((code) => hasCode(e, code)));
  const every = (code: string) => asked.every((e) => e.code === code);
  const reasons = [...failures].map(([server, e]) => reasonOf(server, e)).join('; ');
  const make = (code: string, text: string) =>
    new StunmeshError(code as `ERR_${string}`, `${text} (${reasons})`, { details: { family } });

  if (asked.length === 0) return make('ERR_STUN_NO_SERVER', `no STUN server can be asked over IPv${family}`);
  if (asked.some((e) => hasCode(e, 'ERR_CAPTURE_BLOCKED')))
    return make(
      'ERR_STUN_BLOCKED',
      `a rule on this host blocks STUN requests over IPv${family}: let UDP leave from WireGuard's listen port`,
    );
  if (every('ERR_CAPTURE_UNREACHABLE'))
    return make('ERR_STUN_NO_ROUTE', `no STUN server has a route over IPv${family}`);
  if (every('ERR_STUN_REFUSED'))
    return make('ERR_STUN_REFUSED', `no STUN server gave a usable address over IPv${family}`);
  return make('ERR_STUN_NO_RESPONSE', `no STUN server answered over IPv${family}`);
}

/** Each server is named once. */
function reasonOf(server: string, { message }: StunmeshError): string {
  return message.includes(server) ? message : `${server}: ${message}`;
}
