/** The checks of one peer as a state machine without I/O: what to send now, and what follows from what comes (F43, F45, F46). */
import type { Endpoint, Family } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import type { PathCode } from '../record/path-code.js';
import { Acknowledgements, type Times } from './acknowledgements.js';
import type { CheckRequest } from './check-message.js';
import type { CheckSend, CheckStep, PeerCheckOptions } from './check-step.js';
import { chooseAttempt } from './last-resort.js';
import { Nomination } from './nomination.js';
import { CONNECTED_VALID_MS, type Path, type RemoteCandidate, VALID_MS } from './path.js';
import { type Entry, PathList } from './path-list.js';
import { Phases } from './phases.js';
import { BETTER, BETTER_FULL_FROM_MS, BETTER_PERIOD_MS, BURST, opening, ROUND, SLOT } from './schedule.js';
import { isParked, PARKED, type Session } from './session.js';

export class PeerChecks {
  readonly #options: PeerCheckOptions;
  readonly #list = new PathList();
  readonly #acks = new Acknowledgements();
  readonly #nomination: Nomination;
  readonly #phases: Phases;
  #session: Session = { connected: false, keepalive: false };
  #knows = false;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  /** `t` of the peer's record towards whose candidates our NAT is open. */
  #openedFor: number | undefined;
  #minute: number | undefined;
  #announced: Endpoint | undefined;
  #turn = -1;

  constructor(options: PeerCheckOptions) {
    this.#options = options;
    this.#nomination = new Nomination(options);
    this.#phases = new Phases(options);
  }

  /** Whether the peer is known to answer checks, by its record or by a check of its own. */
  get knowsChecks(): boolean {
    return this.#knows;
  }

  /** The peer's record in use was read; `candidates` are remoteCandidates() of it. Also to be called when it is the one that is known. */
  onRecord(at: Times, code: PathCode, candidates: readonly RemoteCandidate[]): void {
    if (!this.#knows) this.#learnAboutPeer(at.now);
    const news = this.#acks.onRecord(at, code);
    if (!news) return;
    this.#list.replace(at.now, candidates);
    if (news.renewed) this.#round(at.now);
    else if (news.acknowledged && !this.#session.connected) {
      const times = this.#phases.phase === 'round' ? ROUND : BURST;
      for (const entry of this.#list.entries) if (!entry.isValid(at.now)) entry.schedule.begin(at.now, times);
    }
  }

  /** The record is the one that we know, and names other candidates for us: our own network changed. */
  onCandidates(now: number, candidates: readonly RemoteCandidate[]): void {
    if (this.#knows) this.#list.replace(now, candidates);
  }

  /** A read of the store found no record. */
  onNoRecord(now: number): void {
    this.#acks.onUnchanged(now);
  }

  /** The record in use is of a peer that does not know checks: nothing is sent any more (F45). */
  onOldRecord(): void {
    this.#knows = false;
    this.#openedFor = undefined;
    this.#list.clear();
    this.#acks.forget();
    this.#nomination.reset();
  }

  /** The store has taken our record; with a new `t` it names other candidates, or is the first one since the start. */
  onWritten(now: number, record: { readonly t: number; readonly ack?: number }, renewed: boolean): void {
    this.#acks.onWritten(now, record);
    if (renewed && this.#knows) this.#round(now);
  }

  /** A check of the peer was heard; CheckReceiver has answered it. */
  onRequest(now: number, from: Endpoint, request: Pick<CheckRequest, 'betterPath'>): void {
    if (!this.#knows) this.#learnAboutPeer(now);
    this.#acks.onSign();
    if (request.betterPath && !this.#session.connected) this.#nomination.onPeerWaits();
    const entry = this.#list.find(from) ?? this.#list.learn(now, from, this.#options.isLan(from));
    if (!entry) return;
    const wasOpen = now < entry.openUntil;
    entry.lastHeardAt = now;
    entry.openUntil = now + VALID_MS;
    if (entry.isValid(now) || (this.#session.connected && !request.betterPath)) return;
    if (!wasOpen || entry.schedule.dueAt === undefined) entry.schedule.begin(now, ROUND);
  }

  /** An answer with the peer's integrity came. True: it makes its path valid; false: it answers no request of ours (F46). */
  onAnswer(now: number, transactionId: Uint8Array, from: Endpoint): boolean {
    const { connected } = this.#session;
    const entry = this.#list.answered(now, transactionId, from, connected ? CONNECTED_VALID_MS : VALID_MS);
    if (!entry) return false;
    this.#acks.onSign();
    this.#nomination.onValid(now);
    if (!connected) entry.schedule.keep(now);
    return true;
  }

  /** What the device and the health rules say of the tunnel. */
  onSession(now: number, session: Session): void {
    const { connected: before, endpoint: used } = this.#session;
    this.#session = session;
    if (before && !session.connected) {
      this.#list.lose(now, used);
      this.#becomeUnsettled(now);
    } else if (!before && session.connected) {
      // Those that are still to be asked may be better ones; what kept the valid ones open is not needed any more.
      for (const { schedule } of this.#list.entries) if (schedule.keeps) schedule.end();
    }
  }

  /** The tunnel died, and our addresses of these families were looked at since: they did not change. */
  onUnmoved(now: number, families: ReadonlySet<Family>): void {
    if (this.#session.connected || this.#phases.phase !== 'round') return;
    for (const { schedule } of this.#list.reopen(now, families)) schedule.begin(now, ROUND);
    if (this.#list.hasValid(now)) this.#nomination.onValid(now);
  }

  /** News of the network or a failed probe. `moved`: our addresses or mappings changed, so what was proven counts for nothing. */
  restart(now: number, moved: boolean): void {
    if (!this.#knows) return;
    if (moved) this.#list.forget();
    this.#round(now);
  }

  /** What our record for this peer acknowledges when it is written now; undefined: nothing. */
  acknowledgement(): number | undefined {
    const inRound = this.#session.connected || this.#phases.phase === 'round';
    return inRound && this.#openedFor === this.#acks.peer?.t ? this.#acks.value : undefined;
  }

  paths(now: number): readonly Path[] {
    return this.#list.paths(now);
  }

  next(at: Times): CheckStep {
    if (!this.#knows) return { sends: [], write: false, parked: false, wakeAt: Number.POSITIVE_INFINITY };
    this.#move(at);
    const paths = this.#choices(at.now);
    const attempt = this.#attempt(at, paths);
    const use = attempt ?? this.#choose(at.now, paths);
    if (attempt === undefined) this.#announce(at.now, use);
    const sends = this.#send(at.now);
    if (this.#acks.peer && (this.#session.connected || this.#phases.phase === 'round'))
      this.#openedFor = this.#acks.peer.t;
    const rewriteAt = this.#phases.phase === 'round' ? this.#acks.rewriteAt : undefined;
    const parked = attempt === undefined && isParked(this.#session, at.now, this.#list.hasValid(at.now));
    const endpoint = parked ? PARKED : use;
    return {
      sends,
      write: rewriteAt !== undefined && rewriteAt <= at.now,
      ...(endpoint ? { use: endpoint } : {}),
      parked,
      wakeAt: this.#wakeAt(at, rewriteAt, paths),
    };
  }

  /** The paths from which one may be chosen: without a valid one that is done in common slots alone. */
  #choices(now: number): readonly Path[] {
    return this.#phases.phase === 'slot' || this.#list.hasValid(now) ? this.paths(now) : [];
  }

  #learnAboutPeer(now: number): void {
    this.#knows = true;
    this.#becomeUnsettled(now);
  }

  #becomeUnsettled(now: number): void {
    this.#nomination.reset();
    this.#announced = undefined;
    this.#phases.begin(now);
    this.#beginAll(now, ROUND);
  }

  #round(now: number): void {
    if (!this.#session.connected) this.#phases.round(now);
    this.#beginAll(now, ROUND);
  }

  #beginAll(now: number, times: readonly number[]): void {
    for (const entry of this.#list.entries) entry.schedule.begin(now, times);
  }

  #move(at: Times): void {
    if (this.#session.connected) {
      this.#lookForBetter(at);
      return;
    }
    // A valid path keeps the pair out of the silence; where WireGuard does not meet on it, its end does not.
    if (this.#list.hasValid(at.now)) return;
    const phase = this.#phases.move(at, this.#lastSentAt);
    if (phase === 'silence') for (const entry of this.#list.entries) entry.schedule.end();
    else if (phase) this.#beginAll(at.now, phase === 'opening' ? opening(this.#list.size) : SLOT);
  }

  /** Seconds 0 to 3 of each minute: both sides ask at the same times. */
  #lookForBetter(at: Times): void {
    const minute = Math.floor(at.wall / BETTER_PERIOD_MS);
    const missed = at.wall % BETTER_PERIOD_MS > BETTER_FULL_FROM_MS;
    if (this.#minute !== undefined && minute !== this.#minute && !missed && this.#options.upgrade)
      this.#beginAll(at.now - (at.wall % BETTER_PERIOD_MS), BETTER);
    this.#minute = minute;
  }

  #choose(now: number, paths: readonly Path[]): Endpoint | undefined {
    const { connected, endpoint } = this.#session;
    if (!connected) return this.#nomination.unsettled(now, paths);
    if (!endpoint) return undefined;
    const present = paths.find((path) => sameEndpoint(path.endpoint, endpoint));
    const lan = this.#options.isLan(endpoint);
    return this.#nomination.connected(now, paths, present ?? { endpoint, type: 'learnt', lan, state: 'waiting' });
  }

  /** Where checks come to nothing WireGuard itself is let go, in common slots alone: some firewalls let it pass and STUN not. */
  #attempt({ now, wall }: Times, paths: readonly Path[]): Endpoint | undefined {
    const { phase, slots } = this.#phases;
    if (this.#session.connected || phase !== 'slot' || this.#list.hasValid(now)) return undefined;
    return chooseAttempt(paths, { slots, wall, seed: this.#options.seed });
  }

  /** A nomination is told at once. */
  #announce(now: number, use: Endpoint | undefined): void {
    if (use && !sameEndpoint(use, this.#announced)) this.#list.find(use)?.schedule.begin(now, [0]);
    this.#announced = use ?? this.#announced;
  }

  #send(now: number): CheckSend[] {
    const sends: CheckSend[] = [];
    // Where a budget ends, it is another path's turn each time.
    this.#turn += 1;
    const entries = [...this.#list.entries];
    for (let i = 0; i < entries.length; i += 1) {
      const entry = entries[(i + this.#turn) % entries.length];
      if (!entry?.schedule.take(now)) continue;
      const { endpoint, type } = entry.candidate;
      const name = `${endpoint.address} ${endpoint.port}`;
      if (!this.#options.budget.send(now, name, entry.lastValidAt !== undefined)) continue;
      const transactionId = this.#options.createId(endpoint.family);
      this.#list.asked(now, entry, transactionId);
      this.#lastSentAt = now;
      const full = this.#isOpen(now, entry);
      sends.push({
        endpoint,
        transactionId,
        type,
        nominated: this.#nomination.isNominated(endpoint),
        betterPath: this.#session.connected,
        ...(full ? {} : { ttl: this.#options.lowTtl(endpoint.family) }),
      });
    }
    return sends;
  }

  /** F43: whether a full packet may go there. */
  #isOpen(now: number, entry: Entry): boolean {
    const { lan, open } = entry.candidate;
    if (lan || open || now < entry.openUntil || this.#acks.isOpen(now)) return true;
    const { connected, endpoint } = this.#session;
    if (!connected) return this.#phases.phase === 'slot' && now < this.#phases.until;
    if (sameEndpoint(endpoint, entry.candidate.endpoint)) return true;
    return entry.schedule.runs(BETTER) && entry.schedule.age(now) >= BETTER_FULL_FROM_MS;
  }

  #wakeAt(at: Times, rewriteAt: number | undefined, paths: readonly Path[]): number {
    let wakeAt = Number.POSITIVE_INFINITY;
    // What is due already was held back by a budget, or is told by this very step.
    const wake = (time: number | undefined): void => {
      if (time !== undefined && time > at.now && time < wakeAt) wakeAt = time;
    };
    wake(rewriteAt);
    for (const { schedule, validUntil } of this.#list.entries) {
      wake(schedule.dueAt);
      wake(validUntil);
    }
    if (this.#session.connected) wake(at.now + BETTER_PERIOD_MS - (at.wall % BETTER_PERIOD_MS));
    else {
      wake(this.#nomination.nextAt(paths));
      if (!this.#list.hasValid(at.now)) wake(this.#phases.until);
    }
    return wakeAt;
  }
}
