/** Two hosts behind two routers on simulated time: packets, connection tracking, a store, and the checks of both. */
import assert from 'node:assert/strict';
import type { Endpoint } from '#src/api/index.js';
import { formatEndpoint, sameEndpoint } from '#src/net/index.js';
import { HostCheckBudget, PeerCheckBudget } from '#src/paths/check-budget.js';
import type { CheckSend } from '#src/paths/check-step.js';
import { PeerChecks } from '#src/paths/peer-checks.js';
import type { Session } from '#src/paths/session.js';
import type { PathCode } from '#src/record/path-code.js';
import { BARE_CODE } from '../record/coded.js';
import { PORT, type Router } from './router.js';

export interface HostOptions {
  readonly router: Router;
  readonly smaller: boolean;
  readonly startAt: number;
  /** How far its clock is ahead, in milliseconds. */
  readonly clockAhead?: number;
  /** Its record of an earlier life lies in the store. */
  readonly earlier?: Partial<PathCode>;
  /** Milliseconds between two reads; absent: it watches. */
  readonly pollMs?: number;
}

interface Stored {
  readonly code: PathCode;
  readonly endpoint: Endpoint;
}

const START_SECONDS = 1_796_112_000;
const SEED = 1_234_567;
const STORE_MS = 5;
const DISCOVERY_MS = 20;
const WATCH_MS = 10;

export class Host {
  readonly options: HostOptions;
  readonly checks: PeerChecks;
  router: Router;
  stored: Stored | undefined;
  validAt: number | undefined;
  connectedAt: number | undefined;
  /** Full packets that went out while the peer had not opened and no common slot was there. */
  readonly breaches: string[] = [];
  sent = { low: 0, full: 0 };
  writes = 0;
  session: Session = { connected: false, keepalive: true };
  wakeAt = Number.POSITIVE_INFINITY;
  started = false;
  #ids = 0;
  t = 0;
  n = 0;

  constructor(options: HostOptions) {
    this.options = options;
    this.router = options.router;
    this.checks = new PeerChecks({
      smaller: options.smaller,
      preferred: 4,
      upgrade: true,
      seed: SEED,
      budget: new PeerCheckBudget(new HostCheckBudget()),
      createId: () => {
        const id = Buffer.alloc(12);
        id.writeUInt32BE(options.smaller ? 1 : 2, 0);
        this.#ids += 1;
        id.writeUInt32BE(this.#ids, 8);
        return id;
      },
      isLan: () => false,
      lowTtl: () => 2,
    });
    if (options.earlier) this.stored = { code: { ...BARE_CODE, ...options.earlier }, endpoint: this.reflexive };
  }

  get reflexive(): Endpoint {
    return { family: 4, address: this.router.address, port: PORT };
  }

  wall(now: number): number {
    return START_SECONDS * 1_000 + now + (this.options.clockAhead ?? 0);
  }
}

export class World {
  now = 0;
  readonly hosts: readonly [Host, Host];
  /** Whether the next packet between the routers is lost. */
  isLost: () => boolean = () => false;
  /** A firewall on the way lets WireGuard pass, and STUN not. */
  blocksStun = false;
  readonly #oneWayMs: number;
  readonly #events: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  /** When one host sent nothing to the other since; both together make a common slot an honest one. */
  readonly #lastSent = new Map<Host, number>();

  constructor(a: HostOptions, b: HostOptions, oneWayMs = 0.5) {
    this.hosts = [new Host(a), new Host(b)];
    this.#oneWayMs = oneWayMs;
    for (const host of this.hosts) this.at(host.options.startAt, () => this.#start(host));
  }

  at(time: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ at: Math.max(time, this.now), order: this.#order, run });
  }

  other(host: Host): Host {
    return this.hosts[0] === host ? this.hosts[1] : this.hosts[0];
  }

  /** Runs until both have a valid path, or until `limit`. */
  run(limit: number, done = () => this.hosts.every(({ validAt }) => validAt !== undefined)): void {
    while (!done()) {
      const wake = this.hosts.filter(({ started }) => started).sort((x, y) => x.wakeAt - y.wakeAt)[0];
      this.#events.sort((x, y) => x.at - y.at || x.order - y.order);
      const next = this.#events[0];
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, wake?.wakeAt ?? Number.POSITIVE_INFINITY);
      if (at > limit || at === Number.POSITIVE_INFINITY) break;
      assert.ok(at >= this.now, 'time stands still');
      this.now = at;
      if (next && next.at === at) {
        this.#events.shift();
        next.run();
      } else if (wake) this.#step(wake);
    }
  }

  #times(host: Host) {
    return { now: this.now, wall: host.wall(this.now), clockSane: true };
  }

  #start(host: Host): void {
    // The peer's record is read, and our NAT opened towards it, before the first record is written.
    this.at(this.now + DISCOVERY_MS, () => {
      host.started = true;
      this.#read(host);
      host.t = Math.max(Math.floor(host.wall(this.now) / 1_000), (host.options.earlier?.t ?? -1) + 1);
      this.#write(host, true);
      this.#poll(host);
    });
  }

  #poll(host: Host): void {
    const { pollMs } = host.options;
    if (pollMs === undefined) return;
    this.at(this.now + pollMs, () => {
      if (!host.checks.paths(this.now).some(({ state }) => state === 'valid')) this.#read(host);
      this.#poll(host);
    });
  }

  #read(host: Host): void {
    const { stored } = this.other(host);
    if (!stored) host.checks.onNoRecord(this.now);
    else
      host.checks.onRecord(this.#times(host), stored.code, [
        { endpoint: stored.endpoint, type: 'reflexive', lan: false, open: this.other(host).router.mapping === 'none' },
      ]);
    this.#step(host);
  }

  #write(host: Host, renewed: boolean): void {
    const ack = host.checks.acknowledgement();
    if (!renewed) host.n += 1;
    host.writes += 1;
    const code = { ...BARE_CODE, t: host.t, n: host.n, ...(ack === undefined ? {} : { ack }) };
    this.at(this.now + STORE_MS, () => {
      host.stored = { code, endpoint: host.reflexive };
      host.checks.onWritten(this.now, ack === undefined ? { t: host.t } : { t: host.t, ack }, renewed);
      this.#step(host);
      const other = this.other(host);
      if (other.options.pollMs === undefined) this.at(this.now + WATCH_MS, () => other.started && this.#read(other));
    });
  }

  #step(host: Host): void {
    const step = host.checks.next(this.#times(host));
    for (const send of step.sends) this.#send(host, send);
    host.wakeAt = step.wakeAt;
    // Before the first record is written there is nothing to be written again.
    if (step.write && host.t > 0) {
      const ack = host.checks.acknowledgement();
      assert.notEqual(ack, undefined, 'a rewrite acknowledges');
      // Level-triggered: nothing is written twice while the store works.
      host.checks.onWritten(this.now, { t: host.t, ack: ack ?? 0 }, false);
      this.#write(host, false);
    }
    const valid = host.checks.paths(this.now).some(({ state }) => state === 'valid');
    if (valid) host.validAt ??= this.now;
    if (step.use && !sameEndpoint(step.use, host.session.endpoint)) {
      host.session = { ...host.session, endpoint: step.use };
      if (!step.parked) this.#handshake(host, step.use);
    }
  }

  /** WireGuard's own packets are full ones. */
  #handshake(host: Host, to: Endpoint): void {
    this.#transmit(host, to, undefined, () => {
      for (const each of this.hosts) {
        each.connectedAt ??= this.now;
        each.session = {
          ...each.session,
          connected: true,
          endpoint: each.session.endpoint ?? this.other(each).reflexive,
        };
        each.checks.onSession(this.now, each.session);
        this.#step(each);
      }
    });
  }

  #send(host: Host, send: CheckSend): void {
    host.sent[send.ttl === undefined ? 'full' : 'low'] += 1;
    const from = this.#transmit(host, send.endpoint, send.ttl, () => {
      if (this.blocksStun) return;
      const other = this.other(host);
      other.checks.onRequest(this.now, from, send);
      this.#transmit(other, from, undefined, () => {
        host.checks.onAnswer(this.now, send.transactionId, send.endpoint);
        this.#step(host);
      });
      this.#step(other);
    });
  }

  /** Returns the outer endpoint; `arrived` runs where the packet reaches the other host. */
  #transmit(host: Host, to: Endpoint, ttl: number | undefined, arrived: () => void): Endpoint {
    const from = host.router.outgoing(this.now, to);
    const silentSince = this.#lastSent.get(host) ?? Number.NEGATIVE_INFINITY;
    this.#lastSent.set(host, this.now);
    if (ttl !== undefined) return from;
    const other = this.other(host);
    if (!other.router.isOpen(this.now, host.router.address) && !this.#isSlot(host))
      host.breaches.push(`at ${this.now} ms, after ${this.now - silentSince} ms of silence, to ${formatEndpoint(to)}`);
    if (this.isLost()) return from;
    this.at(this.now + this.#oneWayMs, () => {
      if (to.address === other.router.address && other.router.incoming(this.now, from, to.port))
        if (other.started) arrived();
    });
    return from;
  }

  #isSlot(host: Host): boolean {
    const seconds = host.wall(this.now) / 1_000 + (SEED % 60);
    return seconds % 60 < 8;
  }

  /** The host gets another router, and both notice at once that their tunnel is dead. */
  move(host: Host, router: Router): void {
    host.router = router;
    for (const each of this.hosts) {
      each.validAt = undefined;
      each.connectedAt = undefined;
      each.session = { ...each.session, connected: false };
      each.checks.onSession(this.now, each.session);
      this.#step(each);
    }
    host.checks.restart(this.now, true);
    this.#read(host);
    host.t = Math.max(Math.floor(host.wall(this.now) / 1_000), host.t + 1);
    this.#write(host, true);
  }

  /** Packets of an earlier life, at full TTL, that reach both routers before anybody opened. */
  poison(): void {
    for (const host of this.hosts) {
      const other = this.other(host).router;
      other.incoming(this.now, host.router.outgoing(this.now, this.other(host).reflexive), PORT);
    }
  }
}
