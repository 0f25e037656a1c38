/** What outlives the process: our own record's time and count, and what proved itself for each peer. */
import { join } from 'node:path';
import { type Logger, parsePublicKey } from '../api/index.js';
import { formatNatCode, parseNatCode } from '../nat/code.js';
import { formatEndpoint, parseEndpoint } from '../net/index.js';
import { localCandidate } from '../paths/candidate.js';
import { clampOwnTime } from '../record/freshness.js';
import { type PortAllocation, readAllocation } from '../record/path-code.js';
import { type Coalesced, createCoalesced } from '../runtime/coalesce.js';
import type { DeviceEntry, PeerEntry } from './peer-table.js';
import { restoreMappings, type SavedMapping, savedMappings } from './saved-mapping.js';

/** A generation grows by one at a time; a larger one was never counted. */
const MOST_GENERATION = 2 ** 31;

interface PeerState {
  readonly floor?: number;
  /** The last `t` of our records for it, where it is ahead of the device's. */
  readonly t?: number;
  readonly proven?: string;
  /** Our public key by which it was last connected. */
  readonly key?: string;
  /** The endpoint that it had before it was parked (F43). */
  readonly parked?: string;
  readonly diversion?: { readonly port: number; readonly remote: string };
  /** It answered an echo once: a daemon that starts on a dead tunnel need not wait for a passive keepalive to tell. */
  readonly echo?: true;
}

interface NatState {
  readonly address: string;
  readonly code: string;
  readonly allocation?: PortAllocation;
  readonly port?: number;
}

export interface DeviceState {
  readonly version: 1;
  readonly t?: number;
  readonly n: number;
  /** How the NATs behave, as records tell it, and the reflexive address that this was found with; by family ("ipv4"). */
  readonly nat?: Readonly<Record<string, NatState>>;
  /** What the router of IPv4 and that of IPv6 may still have of us (F52). */
  readonly portmap?: SavedMapping;
  readonly portmap6?: SavedMapping;
  /** By public key. */
  readonly peers: Readonly<Record<string, PeerState>>;
}

export function createDeviceState(device: DeviceEntry): DeviceState {
  const peers: Record<string, PeerState> = {};
  for (const peer of device.peers) {
    const proven = peer.proven ?? peer.restored;
    const ahead = peer.ownTime !== undefined && peer.ownTime > (device.lastT ?? -1) ? peer.ownTime : undefined;
    const state: PeerState = {
      ...(peer.provenTime === undefined ? {} : { floor: peer.provenTime }),
      ...(ahead === undefined ? {} : { t: ahead }),
      ...(proven ? { proven: formatEndpoint(proven) } : {}),
      ...(peer.connectedBy === undefined ? {} : { key: peer.connectedBy }),
      ...(peer.parkedFrom ? { parked: formatEndpoint(peer.parkedFrom) } : {}),
      ...(peer.diversion
        ? { diversion: { port: peer.diversion.port, remote: formatEndpoint(peer.diversion.remote) } }
        : {}),
      ...(peer.answersEcho ? { echo: true } : {}),
    };
    if (Object.keys(state).length > 0) peers[peer.publicKey] = state;
  }
  const nat = Object.fromEntries(
    [...device.nat].map(([family, { address, summary, port }]) => {
      const now = localCandidate(device.candidates, 'reflexive', family)?.endpoint;
      const last = now?.address === address ? now.port : port;
      const code = formatNatCode(new Map([[family, summary]]));
      const { allocation } = summary;
      const state: NatState = {
        address,
        code,
        ...(allocation === undefined ? {} : { allocation }),
        ...(last === undefined ? {} : { port: last }),
      };
      return [`ipv${family}`, state];
    }),
  );
  return {
    version: 1,
    ...(device.lastT === undefined ? {} : { t: device.lastT }),
    n: device.generation,
    ...(device.nat.size === 0 ? {} : { nat }),
    ...savedMappings(device.portMapping),
    peers,
  };
}

/** Puts a stored state into the table; what does not fit is passed over, member by member, and no time is believed that is far ahead
 * of the clock (`wallNow`: milliseconds since 1970). False: it is no state of ours. */
export function restoreDeviceState(device: DeviceEntry, value: unknown, wallNow: number): boolean {
  if (!isObject(value) || value['version'] !== 1) return false;
  const whole = (member: unknown): member is number =>
    typeof member === 'number' && Number.isSafeInteger(member) && member >= 0;
  const time = (member: unknown) => (whole(member) ? clampOwnTime(member, wallNow / 1000) : undefined);
  device.lastT = time(value['t']) ?? device.lastT;
  if (whole(value['n']) && value['n'] < MOST_GENERATION) device.generation = value['n'];
  restoreNat(device, value['nat']);
  restoreMappings(device.portMapping, value);
  const { peers } = value;
  if (!isObject(peers)) return true;
  for (const peer of device.peers) {
    const stored = peers[peer.publicKey];
    if (!isObject(stored)) continue;
    peer.provenTime = time(stored['floor']) ?? peer.provenTime;
    peer.ownTime = time(stored['t']) ?? peer.ownTime;
    if (typeof stored['key'] === 'string') peer.connectedBy = parsePublicKey(stored['key']);
    if (stored['echo'] === true) peer.answersEcho = true;
    if (typeof stored['parked'] === 'string') peer.parkedFrom = parseEndpoint(stored['parked']);
    peer.diversion = readDiversion(stored['diversion']);
    if (typeof stored['proven'] === 'string') peer.restored = parseEndpoint(stored['proven']);
  }
  return true;
}

function readDiversion(stored: unknown): PeerEntry['diversion'] {
  if (!isObject(stored) || typeof stored['remote'] !== 'string') return undefined;
  const { port } = stored;
  const remote = parseEndpoint(stored['remote']);
  return remote && typeof port === 'number' && port > 0 && port <= 65_535 ? { port, remote } : undefined;
}

function restoreNat(device: DeviceEntry, nat: unknown): void {
  if (!isObject(nat)) return;
  for (const family of [4, 6] as const) {
    const stored = nat[`ipv${family}`];
    if (!isObject(stored) || typeof stored['address'] !== 'string' || typeof stored['code'] !== 'string') continue;
    const summary = parseNatCode(stored['code']).get(family);
    const allocation = readAllocation(stored['allocation']);
    const port = typeof stored['port'] === 'number' ? { port: stored['port'] } : {};
    if (!summary) continue;
    const whole = { ...summary, ...(allocation === undefined ? {} : { allocation }) };
    device.nat.set(family, { address: stored['address'], summary: whole, ...port });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface StateKeeper {
  restore(device: DeviceEntry): Promise<void>;
  /** Resolves when it is on disk, or was given up. */
  save(device: DeviceEntry): Promise<void>;
  /** Resolves when what save() was called for is on disk, or was given up. */
  flush(device: DeviceEntry): Promise<void>;
}

/** How state files are read and replaced (runtime/state-file). */
export interface StateFiles {
  read(path: string): Promise<unknown>;
  write(path: string, value: unknown): Promise<void>;
}

/** DEVICE.json in `stateDir`. A file that cannot be read or written costs a line in the log and nothing else. */
export function createStateKeeper(
  files: StateFiles,
  stateDir: string,
  { logger, wallNow }: { readonly logger: Logger; wallNow(): number },
): StateKeeper {
  const jobs = new Map<DeviceEntry, Coalesced>();
  let complained = false;
  const path = (device: DeviceEntry) => join(stateDir, `${device.name}.json`);
  const job = (device: DeviceEntry): Coalesced => {
    const write = async (): Promise<void> => {
      await files.write(path(device), createDeviceState(device));
      complained = false;
    };
    const known =
      jobs.get(device) ??
      createCoalesced(write, (error) => {
        if (!complained) logger.warn({ device: device.name, error }, 'state not kept');
        complained = true;
      });
    jobs.set(device, known);
    return known;
  };
  return {
    async restore(device) {
      try {
        const value = await files.read(path(device));
        if (value !== undefined && !restoreDeviceState(device, value, wallNow())) {
          logger.warn({ device: device.name, file: path(device) }, 'state file of another kind ignored');
        }
      } catch (error) {
        logger.warn({ device: device.name, error }, 'state not restored');
      }
    },
    save: (device) => job(device).trigger(),
    async flush(device) {
      await job(device).trigger();
      jobs.delete(device);
    },
  };
}
