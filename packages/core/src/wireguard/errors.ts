/** The failures of WireGuard control, each worded once; none ever quotes what a device or a child said about keys (F24, F34). */
import { StunmeshError } from '../api/index.js';
import { wordsOf } from './platform.js';

/** "" where no single device is meant. */
export function subject(device: string): string {
  return device === '' ? 'WireGuard' : `WireGuard device "${device}"`;
}

export function toolMissing(command: string, platform?: NodeJS.Platform): StunmeshError {
  return new StunmeshError(
    'ERR_WG_NOT_FOUND',
    `the command "${command}" was not found in PATH; install it (${wordsOf(platform).install}) or start stunmesh with a PATH that holds it`,
    { details: { command } },
  );
}

export function toolNotExecutable(command: string): StunmeshError {
  return new StunmeshError('ERR_WG_PERMISSION', `the command "${command}" may not be executed by this user`, {
    details: { command },
  });
}

export function deviceMissing(device: string, why?: string, platform?: NodeJS.Platform): StunmeshError {
  const { bringUp, place } = wordsOf(platform);
  return new StunmeshError(
    'ERR_WG_DEVICE_NOT_FOUND',
    `${subject(device)}: ${why ?? `there is no such WireGuard device ${place}`}; bring it up (${bringUp(device)})`,
    { details: { device } },
  );
}

/** wg(8) needs the capability, a userspace socket its owner: usually root for both. */
export function permissionMissing(device: string, remedy: string = wordsOf().right): StunmeshError {
  return new StunmeshError('ERR_WG_PERMISSION', `${subject(device)}: this user may not control it; ${remedy}`, {
    details: { device },
  });
}

export function peerMissing(device: string, peer: string): StunmeshError {
  return new StunmeshError(
    'ERR_WG_PEER_NOT_FOUND',
    `WireGuard device "${device}" has no peer ${peer}; add it there (wg set, wg-quick): stunmesh never creates peers`,
    { details: { device, peer } },
  );
}

export function privateKeyMissing(device: string): StunmeshError {
  return new StunmeshError(
    'ERR_WG_FAILED',
    `WireGuard device "${device}" shows no private key: it has none yet (wg set ${device} private-key FILE), or this user may not read it`,
    { details: { device } },
  );
}

/** A userspace socket that answers without the private key: BoringTun has it and keeps it to itself. */
export function privateKeyWithheld(device: string): StunmeshError {
  return new StunmeshError(
    'ERR_WG_FAILED',
    `WireGuard device "${device}": its userspace socket tells no private key: it has none yet (wg set ${device} private-key FILE), or it is BoringTun, which never tells it; records cannot be sealed without it, so use the kernel's WireGuard or wireguard-go`,
    { details: { device } },
  );
}

/** AmneziaWG is another protocol with another tool. */
export function amneziaDevice(device: string): StunmeshError {
  return new StunmeshError(
    'ERR_WG_DEVICE_NOT_FOUND',
    `device "${device}" is one of AmneziaWG, which wg(8) does not show and whose packets are not WireGuard's; stunmesh serves devices of WireGuard`,
    { details: { device } },
  );
}

export function otherDevice(device: string): StunmeshError {
  return new StunmeshError(
    'ERR_WG_DEVICE_NOT_FOUND',
    `there is an interface "${device}", but it is none of WireGuard's; take the name that "wg show interfaces" prints`,
    { details: { device } },
  );
}

/** `where` names line and field, never what stood there. */
export function protocolError(device: string, source: string, where: string): StunmeshError {
  return new StunmeshError('ERR_WG_PROTOCOL', `${subject(device)}: ${source} said something unexpected: ${where}`, {
    details: { device, source, where },
  });
}

export function noAnswer(device: string, source: string, ms: number): StunmeshError {
  return new StunmeshError('ERR_DEADLINE', `${subject(device)}: ${source} gave no answer within ${ms} ms`, {
    details: { device, source },
  });
}

/** The first line of a child's stderr, with everything that could be (part of) a key replaced, at most 160 characters. */
export function safeLine(stderr: string): string {
  const line = stderr.split('\n').find((l) => l.trim() !== '') ?? '';
  return [...line.replaceAll(/[A-Za-z0-9+/=]{20,}/g, '[key]')]
    .filter((c) => c >= ' ' && c !== '\x7f')
    .join('')
    .slice(0, 160);
}
