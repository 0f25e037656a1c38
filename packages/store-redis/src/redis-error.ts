/** What Redis or the way to it answered, as an error that says what to do; never with arguments of a command (F34). */
import { type ErrorCode, isStunmeshError, StunmeshError } from '@stunmesh/core/api';

interface Verdict {
  readonly code: ErrorCode;
  readonly what: string;
}

const denied = (what: string): Verdict => ({ code: 'ERR_STORE_DENIED', what });
const unavailable = (what: string): Verdict => ({ code: 'ERR_STORE_UNAVAILABLE', what });
const misconfigured = (what: string): Verdict => ({ code: 'ERR_CONFIG_INVALID', what });

/** What an ACL user needs, for this prefix; docs/store-redis.md explains it. */
export const aclRule = (prefix: string): string =>
  `ACL SETUSER stunmesh on >PASSWORD ~${prefix}* &${prefix}* -@all +mget +set +del +publish +subscribe +unsubscribe +ping +select`;

/** By the first word of the answer. */
const ANSWERS: Readonly<Record<string, Verdict>> = {
  NOAUTH: denied('the server asks for a password; set username and password (or password_file)'),
  WRONGPASS: denied('wrong username or password, or the user is switched off'),
  DENIED: denied('the server is in protected mode and takes local connections only; give it a password or a user'),
  OOM: unavailable(
    'the server’s memory is full; raise its maxmemory, or set maxmemory-policy to volatile-ttl and a ttl here',
  ),
  READONLY: unavailable('the server is a replica, which takes no writes; name the master, or use sentinels'),
  MISCONF: unavailable('the server takes no writes as it cannot save to its disk; look at its log and disk'),
  LOADING: unavailable('the server is loading its data'),
  BUSY: unavailable('the server is busy with a script'),
  MASTERDOWN: unavailable('the server is a replica that has lost its master'),
  NOREPLICAS: unavailable('the server takes no writes as too few replicas are connected (min-replicas-to-write)'),
  CLUSTERDOWN: unavailable('the cluster is down: some of its slots are served by nobody'),
  TRYAGAIN: unavailable('the cluster is moving this slot'),
  MOVED: misconfigured('the server is a node of a Cluster; list it under cluster instead of url'),
  CROSSSLOT: misconfigured('the server is a node of a Cluster; list it under cluster instead of url'),
};

/** By the text of an answer that begins with ERR. */
const TEXTS: readonly (readonly [RegExp, Verdict])[] = [
  [/invalid password/i, denied('wrong password')],
  [
    /wrong number of arguments for 'auth'/i,
    denied('the server is older than Redis 6 and knows no users; leave username out'),
  ],
  [/max number of clients|max clients/i, unavailable('the server has as many clients as it takes (maxclients)')],
  [/DB index is out of range|invalid DB index/i, misconfigured('db: the server has no database of this number')],
  [/SELECT is not allowed in cluster mode/i, misconfigured('db: a node of a Cluster has database 0 only')],
  [/cluster support disabled/i, misconfigured('cluster: the server is not part of a Cluster; use url')],
  [
    /unknown command/i,
    denied('the server does not know a command that is needed; it is renamed or switched off there'),
  ],
];

/** By what the operating system or TLS calls it. */
const SYSTEM: Readonly<Record<string, Verdict>> = {
  ECONNREFUSED: unavailable('nobody listens there; is the server running, and on this address and port?'),
  ENOENT: unavailable('there is no such socket; is the server running?'),
  ENOTFOUND: unavailable('the name cannot be resolved; look at its spelling and at your name servers'),
  EAI_AGAIN: unavailable('the name servers do not answer'),
  EACCES: denied('permission denied; give the user that runs stunmesh the right to use this socket (unixsocketperm)'),
  EPERM: denied('a firewall rule of this machine forbids the connection'),
  ENOTSOCK: denied('the path is that of a file, not of a socket'),
  CERT_HAS_EXPIRED: denied('the server’s certificate has expired (or the clock here is wrong)'),
  CERT_NOT_YET_VALID: denied('the server’s certificate is not valid yet (or the clock here is wrong)'),
  ERR_TLS_CERT_ALTNAME_INVALID: denied(
    'the server’s certificate is for another name; set servername to the name in it',
  ),
  ERR_SSL_WRONG_VERSION_NUMBER: denied('the server does not speak TLS there; use redis://, or its TLS port'),
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: denied('the server asks for our certificate; set cert and key'),
};

/** Names of OpenSSL for a certificate that nobody known has signed. */
const UNTRUSTED = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED)$/;

const CLOSED =
  /^(?:Connection is closed|None of startup nodes is available|Stream isn't writeable|Cluster is(?:n't ready| ended)|Command aborted due to connection close)/;

/** True when the connection was lost and nobody knows whether the command was carried out. */
export function isLost(error: unknown): boolean {
  if (isStunmeshError(error) || !(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return CLOSED.test(error.message) || code === 'ECONNRESET' || code === 'EPIPE';
}

/** True when the user may not do this. */
export function isNotPermitted(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOPERM');
}

/** A StunmeshError that begins with `place`. Causes are left out: those of ioredis carry the command's arguments. */
export function redisError(error: unknown, place: string, prefix: string): StunmeshError {
  if (isStunmeshError(error)) return error;
  const { code, what } = judge(error, prefix);
  const retry = code === 'ERR_CONFIG_INVALID' ? { retry: 'later' as const } : {};
  return new StunmeshError(code, `${place}: ${what}`, { ...retry, details: { server: place } });
}

function judge(error: unknown, prefix: string): Verdict {
  const {
    message = '',
    code = '',
    lastNodeError,
  } = error as {
    message?: string;
    code?: string;
    lastNodeError?: unknown;
  };
  if (lastNodeError instanceof Error) return judge(lastNodeError, prefix);
  const last = /Last error: (?:\w*Error: )?(.*)$/.exec(message)?.[1];
  if (last !== undefined) {
    return /^(?:MOVED|ASK) /.test(last)
      ? unavailable('the node that has this key cannot be reached')
      : judge(new Error(last), prefix);
  }
  const known = SYSTEM[code];
  if (known) return { ...known, what: `${known.what} (${code})` };
  if (UNTRUSTED.test(code)) {
    return denied(
      `the server’s certificate is signed by nobody known here; set ca to the file of its authority (${code})`,
    );
  }
  if (/^E[A-Z0-9]+$/.test(code)) return unavailable(`no connection (${code})`);
  if (/^(?:ERR_)?(?:SSL|TLS)_?/.test(code)) return unavailable(`TLS failed (${code})`);
  const word = /^[A-Z]+(?= |$)/.exec(message)?.[0] ?? '';
  if (word === 'NOPERM') return denied(`this user may not do that; it needs, for instance: ${aclRule(prefix)}`);
  const answer = ANSWERS[word] ?? (word === 'ERR' ? TEXTS.find(([text]) => text.test(message))?.[1] : undefined);
  if (answer) return { ...answer, what: `${answer.what} (${word})` };
  if (CLOSED.test(message)) return unavailable('the server closed the connection');
  if (/timed? ?out/i.test(message)) return unavailable('no answer');
  return { code: 'ERR_STORE_INTERNAL', what: `unexpected answer: ${harmless(message)}` };
}

/** The beginning of an answer, without anything that may be an argument. */
function harmless(message: string): string {
  const text = message
    .replace(/,? with args.*$/s, '')
    .replace(/[`'"][^`'"]*[`'"]/g, '…')
    .replace(/[0-9a-fA-F]{16,}/g, '…')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
