/** The other ends of the tunnels: key pairs, sealed records in the stores, and whether they answer a handshake. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { type PublicKey, parsePublicKey, SecretKey } from '#src/api/index.js';
import { parseEndpoint } from '#src/net/index.js';
import { type EndpointRecord, formatRecord, type ParsedRecord, parseRecord } from '#src/record/endpoint-record.js';
import { type Channel, createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import type { MemoryStore } from '#src/testing/index.js';
import { codeOf } from '../record/coded.js';

export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
}

const pairs = new Map<string, KeyPair>();

/** A real key pair, the same for the same name. */
export function keyPair(name: string): KeyPair {
  const known = pairs.get(name);
  if (known) return known;
  const secret = Uint8Array.from(createHash('sha256').update(`secret of ${name}`).digest());
  const publicKey = parsePublicKey(publicOf(secret).toString('base64'));
  if (!publicKey) throw new Error('a public key has 32 bytes');
  const pair = { publicKey, secretKey: new SecretKey(secret) };
  pairs.set(name, pair);
  return pair;
}

/** The envelope of a private X25519 key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** By OpenSSL, which takes a tenth of tweetnacl's time. */
function publicOf(secret: Uint8Array): Buffer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}

/** What a far side writes about itself; endpoints as text. */
export interface FarRecord {
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** Without it the record has no member `c`, as older writers do. */
  readonly t?: number;
  readonly n?: number;
  /** Default: its own fingerprint; null: no member `c`. */
  readonly f?: string | null;
  /** How its NATs behave (formatNatCode). */
  readonly nat?: string;
}

export interface FarSide {
  readonly name: string;
  readonly keys: KeyPair;
  /** Where a handshake that we begin succeeds, as text; undefined: nowhere. */
  answersAt: string | undefined;
  /** Whether its system answers echoes; where not WireGuard's passive keepalive comes 10 s after them. Default true. */
  answersEcho: boolean;
  /** Seals a record for us and stores it; watchers are told. */
  publish(record: FarRecord, store?: string): Promise<void>;
  /** Stores any text in its place, sealed or not. */
  store(value: string, store?: string): Promise<void>;
  seal(plain: string): string;
  /** What we left for it. */
  ourRecord(store?: string): ParsedRecord | undefined;
  ourSealed(store?: string): string | undefined;
}

export interface FarSideInput {
  readonly name: string;
  readonly keys: KeyPair;
  own(): KeyPair;
  storeOf(name: string): MemoryStore;
}

const signal = new AbortController().signal;

export function createFarSide({ name, keys, own, storeOf }: FarSideInput): FarSide {
  const channels = new Map<PublicKey, Channel>();
  const channel = (): Channel => {
    const known = channels.get(own().publicKey) ?? createChannel(keys.secretKey, own().publicKey);
    channels.set(own().publicKey, known);
    return known;
  };
  const fingerprint = Buffer.from(keys.publicKey, 'base64').subarray(0, 4).toString('hex');
  const far: FarSide = {
    name,
    keys,
    answersAt: undefined,
    answersEcho: true,
    seal: (plain) => channel().seal(plain),
    async store(value, store = 'main') {
      await storeOf(store).set(storeKey(keys.publicKey, own().publicKey), value, { signal });
    },
    async publish({ ipv4, ipv6, t, n = 0, f, nat }, store) {
      const four = ipv4 === undefined ? undefined : parseEndpoint(ipv4);
      const six = ipv6 === undefined ? undefined : parseEndpoint(ipv6);
      const record: EndpointRecord = {
        ...(four ? { ipv4: four } : {}),
        ...(six ? { ipv6: six } : {}),
        ...(t === undefined || f === null
          ? {}
          : { c: codeOf({ t, n, f: f ?? fingerprint, ...(nat === undefined ? {} : { nat }) }) }),
      };
      await far.store(far.seal(formatRecord(record).plain), store);
    },
    ourSealed: (store = 'main') => storeOf(store).records.get(storeKey(own().publicKey, keys.publicKey)),
    ourRecord(store) {
      const sealed = far.ourSealed(store);
      return sealed === undefined ? undefined : parseRecord(channel().open(sealed));
    },
  };
  return far;
}
