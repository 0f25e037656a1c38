/** What `init` is to write: taken from flags, asked for on a terminal, and else named as missing. */
import { StunmeshError } from '../api/index.js';
import { FORMATS } from '../config/formats.js';
import { isSecretName } from '../config/secrets.js';
import type { Asker } from './ask.js';
import type { FoundDevice } from './found-device.js';
import { STORE_KINDS, type StoreKind, storeKind } from './store-kinds.js';

export type SettingValue = string | readonly string[];

export interface StorePlan {
  /** Its name in the configuration. */
  readonly name: string;
  readonly kind: StoreKind;
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** To be written to a file of its own, which the setting `key` names. */
  readonly secret?: { readonly key: string; readonly text: string };
}

export interface Plan {
  readonly devices: readonly FoundDevice[];
  readonly store: StorePlan;
  readonly stunServers: readonly string[];
  readonly protocol: 'ipv4' | 'ipv6' | 'dualstack';
  /** Whether peers with a host address inside the tunnel are pinged. */
  readonly ping: boolean;
  /** Whether the router is asked to map a port. */
  readonly portMapping: boolean;
}

export interface PlanFlags {
  readonly store?: string;
  readonly storeName?: string;
  /** "key=value"; a key that comes several times is a list. */
  readonly settings: readonly string[];
  readonly secretFile?: string;
  readonly secretEnv?: string;
  /** The secret itself, as read from stdin. */
  readonly secretText?: string;
  readonly stunServers: readonly string[];
  readonly protocol?: string;
  readonly ping?: boolean;
  readonly portMapping?: boolean;
}

/** A router that maps ports, as it answered. */
export interface FoundRouter {
  readonly address: string;
  /** PCP, NAT-PMP or UPnP. */
  readonly protocol: string;
}

/** Of different operators, so that one that fails or lies is noticed. */
const STUN_SERVERS = ['stun.l.google.com:19302', 'stun.cloudflare.com:3478'];
const PROTOCOLS = ['ipv4', 'ipv6', 'dualstack'] as const;
/** Settings that are lists however few they are. */
const LISTS = new Set(['args', 'bootstrap', 'cluster', 'resolver', 'servers']);

/** Without an asker what is missing is named, all at once. Errors: ERR_USAGE. */
export async function makePlan(
  found: readonly FoundDevice[],
  flags: PlanFlags,
  asker: Asker | undefined,
  findRouter?: () => Promise<FoundRouter | undefined>,
): Promise<Plan> {
  const missing: string[] = [];
  const devices = await chooseDevices(found, asker, missing);
  const store = await planStore(flags, asker, missing);
  const stunServers = await planStun(flags.stunServers, asker);
  const protocol = await planProtocol(flags.protocol, asker);
  const ping = flags.ping ?? (await askPing(devices, asker));
  const portMapping = flags.portMapping ?? (await askPortMapping(asker, findRouter));
  if (missing.length > 0 || !store)
    throw new StunmeshError(
      'ERR_USAGE',
      `there is no terminal to ask on, so these are needed:\n  ${missing.join('\n  ')}`,
    );
  return { devices, store, stunServers, protocol, ping, portMapping };
}

/** The only device there is, or those that are picked of several. */
async function chooseDevices(
  found: readonly FoundDevice[],
  asker: Asker | undefined,
  missing: string[],
): Promise<readonly FoundDevice[]> {
  if (found.length < 2) return found;
  const names = found.map(({ name }) => name);
  if (!asker) {
    missing.push(`--device NAME, once for each device to serve, of: ${names.join(', ')}`);
    return [];
  }
  const answer = await asker.ask({
    note: `WireGuard devices: ${names.join(', ')}`,
    question: 'Devices to serve',
    fallback: names.join(' '),
    check: (text) => unknownOf(words(text), names),
  });
  return found.filter(({ name }) => words(answer).includes(name));
}

async function planStore(
  flags: PlanFlags,
  asker: Asker | undefined,
  missing: string[],
): Promise<StorePlan | undefined> {
  const name = flags.store ?? (await askStore(asker));
  if (name === undefined) {
    missing.push(
      '--store NAME, where the records lie:',
      ...STORE_KINDS.map(({ name, about }) => `    ${name.padEnd(10)} ${about}`),
    );
    return undefined;
  }
  const kind = storeKind(name);
  // It becomes part of the name of the secret's file.
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(flags.storeName ?? 'shared'))
    throw usage(`--store-name ${flags.storeName}: write letters, digits and _ . -`);
  const settings = parseSettings(flags.settings);
  for (const { key, question, example, optional, check } of kind.questions) {
    if (settings[key] !== undefined) continue;
    if (asker) {
      const answer = await asker.ask({
        note: `${question}, such as ${example}`,
        question: key,
        ...(optional ? { fallback: '' } : {}),
        check: (text) => (text === '' ? undefined : (passwordInUrl(text) ?? check?.(text))),
      });
      if (answer !== '') settings[key] = answer;
    } else if (!optional) missing.push(`--set ${key}=VALUE, ${lowerFirst(question)}, such as --set ${key}=${example}`);
  }
  const secret = await planSecret(kind, flags, settings, asker, missing);
  return { name: flags.storeName ?? 'shared', kind, settings, ...(secret ? { secret } : {}) };
}

async function askStore(asker: Asker | undefined): Promise<string | undefined> {
  return asker?.ask({
    note: `Where the records are to lie:\n${STORE_KINDS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}`,
    question: 'Store',
    fallback: 'dht',
    check: (text) =>
      STORE_KINDS.some(({ name }) => name === text) || /^[@/]/.test(text)
        ? undefined
        : `write ${STORE_KINDS.map(({ name }) => name).join(', ')}, a package (@acme/store) or its absolute path`,
  });
}

/** From one place only, and never from argv or into the configuration. */
async function planSecret(
  { secret, name }: StoreKind,
  flags: PlanFlags,
  settings: Record<string, SettingValue>,
  asker: Asker | undefined,
  missing: string[],
): Promise<StorePlan['secret']> {
  const given = [flags.secretFile, flags.secretEnv, flags.secretText].filter((value) => value !== undefined);
  if (given.length > 1) throw usage('keep one of --secret-file, --secret-env and --secret-stdin');
  if (!secret) {
    if (given.length > 0)
      throw usage(`store ${name}: it is not known where it takes a secret; say so by --set KEY=FILE`);
    return undefined;
  }
  if (flags.secretFile !== undefined) settings[secret.file] = flags.secretFile;
  else if (flags.secretEnv !== undefined) settings[secret.env] = flags.secretEnv;
  if (settings[secret.file] !== undefined || settings[secret.env] !== undefined) return undefined;
  let { secretText: text } = flags;
  if (text === undefined && asker)
    text = await asker.ask({
      note: `Its ${secret.word}${secret.needed ? '' : ' (empty: none)'}; it does not show, and goes to a file of its own`,
      question: secret.word,
      hidden: true,
      ...(secret.needed ? {} : { fallback: '' }),
    });
  if (text === '' && flags.secretText !== undefined) throw usage('--secret-stdin: stdin was empty');
  if (text !== undefined && text !== '') return { key: secret.file, text };
  if (secret.needed && !asker)
    missing.push(`--secret-file FILE, --secret-env NAME or --secret-stdin, where its ${secret.word} comes from`);
  return undefined;
}

function parseSettings(pairs: readonly string[]): Record<string, SettingValue> {
  const settings: Record<string, SettingValue> = {};
  for (const pair of pairs) {
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(pair) ?? [];
    if (key === undefined || value === undefined) throw usage('--set takes KEY=VALUE, such as --set path=/srv/mesh');
    // It is in the list of processes and in the shell's history by now; the message must not spread it further.
    if (isSecretName(key) && !key.endsWith('_env'))
      throw usage(
        `--set ${key}=…: a secret does not belong on a command line; use --secret-stdin, --secret-file or --secret-env`,
      );
    const wrong = passwordInUrl(value);
    if (wrong !== undefined) throw usage(`--set ${key}=…: ${wrong}`);
    const before = settings[key];
    settings[key] = before === undefined && !LISTS.has(key) ? value : [...[before ?? []].flat(), value];
  }
  return settings;
}

function passwordInUrl(text: string): string | undefined {
  const found = /:\/\/[^@\s]*:[^@\s]+@/.test(text) || /[?&](token|passw\w*|secret|api_?key)=/i.test(text);
  if (!found) return undefined;
  return 'leave the password out of the address; it has a place of its own (--secret-stdin, --secret-file, --secret-env)';
}

async function planStun(given: readonly string[], asker: Asker | undefined): Promise<readonly string[]> {
  const check = (servers: readonly string[]) => servers.map((s) => FORMATS['stun-server']?.check(s)).find((w) => w);
  const wrong = check(given);
  if (wrong !== undefined) throw usage(`--stun: ${wrong}; write host:port, such as ${STUN_SERVERS[1]}`);
  if (given.length > 0) return given;
  if (!asker) return STUN_SERVERS;
  const question = { note: 'STUN servers, two or three', question: 'Servers', fallback: STUN_SERVERS.join(' ') };
  return words(await asker.ask({ ...question, check: (text) => check(words(text)) }));
}

async function planProtocol(given: string | undefined, asker: Asker | undefined): Promise<Plan['protocol']> {
  const one = (text: string) => PROTOCOLS.find((protocol) => protocol === text);
  if (given !== undefined && !one(given)) throw usage(`--protocol ${given}: write ${PROTOCOLS.join(', ')}`);
  const answer =
    given ??
    (await asker?.ask({
      question: `Address families (${PROTOCOLS.join(', ')})`,
      fallback: 'ipv4',
      check: (text) => (one(text) ? undefined : `write ${PROTOCOLS.join(', ')}`),
    }));
  return one(answer ?? '') ?? 'ipv4';
}

async function askPing(devices: readonly FoundDevice[], asker: Asker | undefined): Promise<boolean> {
  const some = devices.some(({ peers }) => peers.some(({ allowedIps }) => pingTarget(allowedIps) !== undefined));
  if (!some || !asker) return some;
  const answer = await asker.ask({
    note: 'Pings through the tunnel tell within seconds that a peer is gone',
    question: 'Ping them (yes, no)',
    fallback: 'yes',
    check: (text) => (/^(y|n|yes|no)$/i.test(text) ? undefined : 'write yes or no'),
  });
  return /^y/i.test(answer);
}

/** Nobody is asked where no router answers. */
async function askPortMapping(
  asker: Asker | undefined,
  findRouter: (() => Promise<FoundRouter | undefined>) | undefined,
): Promise<boolean> {
  const router = asker && (await findRouter?.());
  if (!asker || !router) return false;
  const answer = await asker.ask({
    note: `The router ${router.address} can open a port (${router.protocol}) for peers to come in`,
    question: 'Let it open a port (yes, no)',
    fallback: 'no',
    check: (text) => (/^(y|n|yes|no)$/i.test(text) ? undefined : 'write yes or no'),
  });
  return /^y/i.test(answer);
}

/** The first host address among allowed IPs: most likely the peer itself. */
export function pingTarget(allowedIps: readonly string[]): string | undefined {
  return allowedIps.find((prefix) => /^[\d.]+\/32$|:.*\/128$/.test(prefix))?.replace(/\/\d+$/, '');
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function unknownOf(chosen: readonly string[], names: readonly string[]): string | undefined {
  const unknown = chosen.find((name) => !names.includes(name));
  if (chosen.length === 0) return 'choose at least one';
  return unknown === undefined ? undefined : `there is no ${unknown}`;
}

function lowerFirst(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

function usage(message: string): StunmeshError {
  return new StunmeshError('ERR_USAGE', message);
}
