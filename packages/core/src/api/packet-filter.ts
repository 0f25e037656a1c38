/** What a capture module can put into this host's packet filter: few rules, in a table of the device's own (F49). */
import type { Endpoint } from './endpoint.js';

/** WireGuard's packets towards `remote` leave from `sourcePort`, and what comes from there to that port reaches WireGuard. */
export interface DiversionRules {
  /** The WireGuard device. */
  readonly device: string;
  /** Its listen port. */
  readonly localPort: number;
  readonly sourcePort: number;
  readonly remote: Endpoint;
}

/** Rules that are in force. They outlive this process; disposing takes them out unless keep() was called. */
export interface Diversion extends DiversionRules, AsyncDisposable {
  /** Disposing leaves them in from now on. */
  keep(): void;
  /** Takes them out; idempotent. Errors: ERR_CAPTURE_FILTER. */
  remove(): Promise<void>;
}

/** Absent members: this system's packet filter is the administrator's. Errors of all: ERR_CAPTURE_FILTER (the packet filter is missing or
 * refuses), ERR_CAPTURE_PERMISSION, ERR_CAPTURE_ADDON. */
export interface PacketFilter {
  /** Drops what arrives from `remote` at WireGuard's port for so long, at most a second, also when this process ends meanwhile. */
  muffle?(options: {
    readonly device: string;
    readonly localPort: number;
    readonly remote: Endpoint;
    readonly ms: number;
  }): Promise<void>;
  /** Puts a diversion in force; one of the same device and remote is replaced in the same step. */
  divert?(rules: DiversionRules): Promise<Diversion>;
  /** Those of a device that are in force, whoever put them there: to be adopted at a start. */
  diversions?(device: string): Promise<readonly Diversion[]>;
  /** This host tells nobody that these ports are closed ("port unreachable"), for so long, at most two minutes. */
  hushPorts?(options: {
    readonly device: string;
    readonly ports: readonly number[];
    readonly ms: number;
  }): Promise<void>;
  /** Takes everything of this device out, or of every device; says of which devices there was something. */
  removeRules?(device?: string): Promise<readonly string[]>;
}
