/** What /status.json tells: plain JSON, without keys and addresses for who may not see them; pure. */
import { about, otherAddresses, summary } from '../control/format-status.js';
import { portMappingLines } from '../control/port-mapping-status.js';
import type { DeviceSnapshot, PeerSnapshot, Snapshot, StoreSnapshot } from '../control/snapshot.js';
import { isMappingWell, isWell, type Trouble, trouble } from '../control/status-remarks.js';
import { REMEDIES } from '../doctor/remedies.js';
import { PATH_WORDS } from '../paths/path-words.js';
import type { TrackSnapshot } from './track.js';

/** Something that is wrong, and what about; `text` is absent where it may name an address: the code and its remedy tell enough. */
export interface Wrong {
  /** "wg0", "wg0/office", "store backup". */
  readonly of: string;
  readonly text?: string;
  readonly code?: string;
}

/** Times are milliseconds since 1970. */
export interface PeerView {
  readonly name: string;
  readonly phase: PeerSnapshot['phase'] | 'not on device';
  readonly phaseForMs: number;
  readonly well: boolean;
  readonly path?: string;
  readonly rttMs?: number;
  readonly handshakeAt?: number;
  readonly recordAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly endpoint?: string;
  readonly wrong?: Omit<Wrong, 'of'>;
  readonly timeline?: TrackSnapshot;
}

export interface DeviceView {
  readonly name: string;
  readonly state: DeviceSnapshot['state'];
  /** In words; with addresses, so not for everybody. */
  readonly about?: readonly string[];
  readonly publicKey?: string;
  /** What is wrong first, else in the order of the configuration. */
  readonly peers: readonly PeerView[];
}

export interface StoreView extends Pick<StoreSnapshot, 'name' | 'state' | 'gets' | 'sets' | 'failures'> {
  readonly note?: string;
}

export interface StatusView {
  readonly version: 1;
  readonly stunmesh: string;
  readonly at: number;
  readonly startedAt: number;
  /** Keys and addresses are in it. */
  readonly full: boolean;
  readonly summary: string;
  readonly wrong: readonly Wrong[];
  readonly devices: readonly DeviceView[];
  readonly stores: readonly StoreView[];
  /** What to do, by the codes that are in it. */
  readonly remedies: Readonly<Record<string, string>>;
  /** The end of the timelines, and how long each of their parts is. */
  readonly timeline?: { readonly endsAt: number; readonly partMs: number };
}

export interface StatusInput {
  readonly wallNow: number;
  readonly version: string;
  readonly startedAt: number;
  readonly configured: readonly string[];
  /** One of each device. */
  readonly snapshots: readonly Snapshot[];
  readonly stores: readonly StoreSnapshot[];
  /** By device, as peerView made them. */
  readonly peers: ReadonlyMap<string, readonly PeerView[]>;
  readonly timeline?: StatusView['timeline'];
}

export function statusView(input: StatusInput, full: boolean): StatusView {
  const { wallNow, snapshots, stores, timeline } = input;
  const devices = snapshots.flatMap((snapshot) => snapshot.devices);
  const views = devices.map((device): DeviceView => {
    const { name, state, publicKey } = device;
    const open = full ? { about: aboutDevice(device, wallNow), ...(publicKey ? { publicKey } : {}) } : {};
    return { name, state, ...open, peers: input.peers.get(name) ?? [] };
  });
  const wrong = [
    ...(snapshots.some(({ clockSane }) => !clockSane)
      ? [{ of: 'clock', text: 'the clock of this host is not set; records are numbered on from the last ones' }]
      : []),
    ...missing(input.configured, devices),
    ...[...devices.flatMap(deviceWrong), ...stores.flatMap(storeWrong)].map(({ of, ...rest }) => ({
      of,
      ...say(rest, full),
    })),
  ];
  const codes = [...wrong, ...views.flatMap(({ peers }) => peers.map((peer) => peer.wrong))];
  return {
    version: 1,
    stunmesh: input.version,
    at: wallNow,
    startedAt: input.startedAt,
    full,
    summary: summary(snapshots),
    wrong,
    devices: views,
    stores: stores.map((store) => storeView(store, full)),
    remedies: remediesOf(codes.map((each) => each?.code)),
    ...(timeline ? { timeline } : {}),
  };
}

/** A message that has a code may name an address. */
function say(wrong: Trouble, full: boolean): Omit<Wrong, 'of'> {
  return full || wrong.code === undefined ? wrong : { code: wrong.code };
}

/** `state`: its device's. */
export function peerView(
  peer: PeerSnapshot,
  state: DeviceSnapshot['state'],
  full: boolean,
  timeline: TrackSnapshot | undefined,
): PeerView {
  const wrong = trouble(peer, state);
  const { name, phase, present, phaseForMs, endpoint, path, latestHandshakeAt, record, rxBytes, txBytes } = peer;
  const rttMs = peer.rttMs ?? path?.rttMs;
  return {
    name,
    phase: present ? phase : 'not on device',
    phaseForMs,
    well: isWell(peer),
    ...(path ? { path: PATH_WORDS[path.class] } : {}),
    ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 }),
    ...(latestHandshakeAt === undefined ? {} : { handshakeAt: latestHandshakeAt }),
    ...(record?.t === undefined ? {} : { recordAt: record.t * 1000 }),
    rxBytes,
    txBytes,
    ...(full && endpoint !== undefined ? { endpoint: peer.parked ? 'parked' : endpoint } : {}),
    ...(wrong ? { wrong: say(wrong, full) } : {}),
    ...(timeline ? { timeline } : {}),
  };
}

function aboutDevice(device: DeviceSnapshot, wallNow: number): readonly string[] {
  const others = otherAddresses(device);
  return [
    ...(device.state === 'up' ? [about(device, wallNow)] : []),
    ...(others === '' ? [] : [`also told to peers: ${others}`]),
    ...portMappingLines(device.portMapping, wallNow),
  ];
}

/** Devices that the configuration names and the daemon has not taken up. */
function missing(configured: readonly string[], devices: readonly DeviceSnapshot[]): readonly Wrong[] {
  return configured
    .filter((name) => !devices.some((device) => device.name === name))
    .map((of) => ({ of, text: 'not taken up; the log says why, and a reload or restart tries again' }));
}

function deviceWrong({
  name,
  errors,
  portMapping,
  peers,
}: DeviceSnapshot): readonly (Trouble & Wrong & { text: string })[] {
  const fault = isMappingWell(portMapping, peers) ? undefined : portMapping?.error;
  return [
    ...errors.map(({ of, message, code }) => ({ of: of === 'device' ? name : `${name} ${of}`, text: message, code })),
    ...(fault ? [{ of: `${name} port_mapping`, text: fault.message, code: fault.code }] : []),
  ];
}

function storeWrong({ name, state, lastError }: StoreSnapshot): readonly (Trouble & Wrong & { text: string })[] {
  if (state === 'up') return [];
  if (!lastError) return [{ of: `store ${name}`, text: 'it failed several times in a row' }];
  return [{ of: `store ${name}`, text: lastError.message, code: lastError.code }];
}

/** What a store says of itself may name an address. */
function storeView({ name, state, gets, sets, failures, note }: StoreSnapshot, full: boolean): StoreView {
  return { name, state, gets, sets, failures, ...(full && note !== undefined ? { note } : {}) };
}

function remediesOf(codes: readonly (string | undefined)[]): Readonly<Record<string, string>> {
  const known = [...new Set(codes)].filter((code) => code !== undefined && Object.hasOwn(REMEDIES, code));
  return Object.fromEntries(known.map((code) => [code, REMEDIES[code ?? ''] ?? '']));
}
