/** What outlives the process: our own record's time and count, and what proved itself for each peer. */
import { join } from 'node:path';
import type { Logger } from '../api/index.js';
import { formatEndpoint, parseEndpoint } from '../net/index.js';
import { type Coalesced, createCoalesced } from '../runtime/coalesce.js';
import type { DeviceEntry } from './peer-table.js';

interface PeerState {
  readonly floor?: number;
  readonly proven?: string;
  /** It answered an echo once: a daemon that starts on a dead tunnel need not wait for a passive keepalive to tell. */
  readonly echo?: true;
}

export interface DeviceState {
  readonly version: 1;
  readonly t?: number;
  readonly n: number;
  /** By public key. */
  readonly peers: Readonly<Record<string, PeerState>>;
}

export function createDeviceState(device: DeviceEntry): DeviceState {
  const peers: Record<string, PeerState> = {};
  for (const peer of device.peers) {
    if (peer.floor === undefined && !peer.proven && !peer.answersEcho) continue;
    peers[peer.publicKey] = {
      ...(peer.floor === undefined ? {} : { floor: peer.floor }),
      ...(peer.proven ? { proven: formatEndpoint(peer.proven) } : {}),
      ...(peer.answersEcho ? { echo: true } : {}),
    };
  }
  return { version: 1, ...(device.lastT === undefined ? {} : { t: device.lastT }), n: device.n, peers };
}

/** Puts a stored state into the table; what does not fit is passed over, member by member. False: it is no state of ours. */
export function restoreDeviceState(device: DeviceEntry, value: unknown): boolean {
  if (!isObject(value) || value['version'] !== 1) return false;
  const whole = (member: unknown): member is number =>
    typeof member === 'number' && Number.isSafeInteger(member) && member >= 0;
  if (whole(value['t'])) device.lastT = value['t'];
  if (whole(value['n'])) device.n = value['n'];
  const { peers } = value;
  if (!isObject(peers)) return true;
  for (const peer of device.peers) {
    const stored = peers[peer.publicKey];
    if (!isObject(stored)) continue;
    if (whole(stored['floor'])) peer.floor = stored['floor'];
    if (stored['echo'] === true) peer.answersEcho = true;
    if (typeof stored['proven'] === 'string') peer.proven = parseEndpoint(stored['proven']);
  }
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface StateKeeper {
  restore(device: DeviceEntry): Promise<void>;
  save(device: DeviceEntry): void;
  /** Resolves when what save() was called for is on disk, or was given up. */
  flush(device: DeviceEntry): Promise<void>;
}

/** How state files are read and replaced (runtime/state-file). */
export interface StateFiles {
  read(path: string): Promise<unknown>;
  write(path: string, value: unknown): Promise<void>;
}

/** DEVICE.json in `stateDir`. A file that cannot be read or written costs a line in the log and nothing else. */
export function createStateKeeper(files: StateFiles, stateDir: string, logger: Logger): StateKeeper {
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
        if (value !== undefined && !restoreDeviceState(device, value)) {
          logger.warn({ device: device.name, file: path(device) }, 'state file of another kind ignored');
        }
      } catch (error) {
        logger.warn({ device: device.name, error }, 'state not restored');
      }
    },
    save: (device) => void job(device).trigger(),
    async flush(device) {
      await job(device).trigger();
      jobs.delete(device);
    },
  };
}
