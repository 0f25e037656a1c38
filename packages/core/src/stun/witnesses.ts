/** What several STUN servers say of one port: which address is believed, and who contradicts it (F82). */
import type { Clock, Endpoint } from '../api/index.js';

/** How long a second server's answer is waited for, and a third one's where they disagree (F82). */
const WITNESS_MS = 2000;

export interface Witness {
  /** As configured. */
  readonly server: string;
  /** What it saw. */
  readonly mapped: Endpoint;
}

export interface WitnessVerdict<W extends Witness = Witness> {
  /** The first of those that most servers agree with; without a majority the first of all. */
  readonly kept: W;
  /** More than half of the servers saw its address. */
  readonly majority: boolean;
  /** Those that saw another address, in the order of their answers. */
  readonly outliers: readonly W[];
  /** The servers that spoke. */
  readonly heard: ReadonlySet<string>;
}

/** One witness a server, in the order of their answers. Different ports at one address are the NAT's behaviour and no contradiction. */
export function judgeWitnesses<W extends Witness>(witnesses: readonly [W, ...W[]]): WitnessVerdict<W> {
  const [first] = witnesses;
  const votes = (one: W): number => witnesses.filter(({ mapped }) => mapped.address === one.mapped.address).length;
  const winner = witnesses.find((one) => votes(one) * 2 > witnesses.length);
  const kept = winner ?? first;
  return {
    kept,
    majority: winner !== undefined,
    outliers: witnesses.filter(({ mapped }) => mapped.address !== kept.mapped.address),
    heard: new Set(witnesses.map(({ server }) => server)),
  };
}

/** For people; without ports, which differ anyway and change. */
export function describeDisagreement({ kept, majority, outliers }: WitnessVerdict): string {
  const list = [kept, ...outliers].map(({ server, mapped }) => `${server} sees ${mapped.address}`).join(', ');
  return majority
    ? `STUN servers disagree: ${list}; most of them agree with ${kept.server}, whose answer is used`
    : `STUN servers disagree: ${list}; none has a majority, so the first answer is used: configure a third server`;
}

export interface Witnesses<W extends Witness> {
  readonly verdict: Promise<WitnessVerdict<W> | undefined>;
  add(found: W): void;
  /** Servers that have spoken. */
  servers(): ReadonlySet<string>;
  /** Nobody else could change the verdict by much. */
  decided(): boolean;
  end(): void;
}

/** Listens for as long as a second answer may take, and once more where a third is asked; ends everything by `over`. */
export function createWitnesses<W extends Witness>(clock: Clock, first: W, over: AbortController): Witnesses<W> {
  const heard: [W, ...W[]] = [first];
  let settle: (verdict: WitnessVerdict<W> | undefined) => void = () => undefined;
  const verdict = new Promise<WitnessVerdict<W> | undefined>((resolve) => {
    settle = resolve;
  });
  const end = (): void => {
    settle(heard.length > 1 ? judgeWitnesses(heard) : undefined);
    over.abort();
  };
  const contradicted = (): boolean => heard.some(({ mapped }) => mapped.address !== first.mapped.address);
  const wait = async (): Promise<void> => {
    await clock.sleep(WITNESS_MS, over.signal);
    if (contradicted() && heard.length < 3) await clock.sleep(WITNESS_MS, over.signal);
    end();
  };
  over.signal.addEventListener('abort', () => settle(undefined), { once: true });
  wait().catch(() => undefined);
  return {
    verdict,
    add(found) {
      if (!heard.some(({ server }) => server === found.server)) heard.push(found);
    },
    servers: () => new Set(heard.map(({ server }) => server)),
    decided: () => heard.length > 2 || (heard.length === 2 && !contradicted()),
    end,
  };
}
