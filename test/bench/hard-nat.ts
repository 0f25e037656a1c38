/** Hard NATs: how many series of a search meet, how soon after the beginning of their slot, and what that costs both routers. */
import { type Lab, openLab, sleep } from '../e2e/lab/index.js';
import {
  foreignFlows,
  type HardPair,
  metAfter,
  type PairKind,
  pairsOf,
  pairsSpec,
  searched,
  slotOf,
  startBoth,
  startSide,
  watchEntries,
} from '../e2e/paths/steps/hard-pair.js';
import type { Report } from './report.js';

/** Pairs that search beside each other, and how long they have until their slot. */
const BESIDE = 8;
const SLOT_IN_SECONDS = 60;
const SERIES_MS = 52_000;
const TWO_SERIES_MS = 420_000;
const RANDOM: PairKind = { h: { nats: ['symmetric'] }, e: { nats: ['port-restricted'] } };
/** H begins so long before its slot that its record tells how its NAT chooses ports, and is then some seconds old. */
const FRESH_MS = 36_000;

interface Seen {
  readonly metMs: number;
  readonly probes: number;
  readonly entriesH: number;
  readonly entriesE: number;
}

/** `runs` times eight series of `full`, and what follows a series that missed. */
export async function benchHardNat(report: Report, runs: number): Promise<void> {
  await full(report, runs);
  await twoSeries(report);
}

async function full(report: Report, runs: number): Promise<void> {
  const seen: Seen[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(pairsSpec(Array(BESIDE).fill(RANDOM), SLOT_IN_SECONDS));
    seen.push(...(await Promise.all(pairsOf(lab, BESIDE).map((pair) => fullSeries(lab, pair)))));
  }
  const met = seen.filter(({ metMs }) => Number.isFinite(metMs));
  report.title(`Hard NATs: random x port-restricted, hard_nat: full; ${seen.length} series, ${BESIDE} at a time`);
  const missed = seen.length - met.length;
  report.row({
    what: 'series that did not meet',
    values: [missed],
    unit: 'times',
    target: Math.floor(seen.length / 10),
  });
  const values = met.map(({ metMs }) => metMs);
  const target = { median: 8_000, worst: 50_000 };
  report.row({ what: "from the slot's beginning to the first ping", values, unit: 'ms', target });
  report.row({ what: "E's probes", values: seen.map(({ probes }) => probes), unit: 'times', target: 1_024 + 5 });
  report.row({ what: "entries of E's router", values: seen.map((one) => one.entriesE), unit: 'times', target: 1_100 });
  report.row({ what: "entries of H's router", values: seen.map((one) => one.entriesH), unit: 'times', target: 300 });
}

async function fullSeries(lab: Lab, pair: HardPair): Promise<Seen> {
  const slotAt = slotOf(pair, 300);
  await startBoth(pair, 'full');
  const [h, e] = [watchEntries(lab, pair.h), watchEntries(lab, pair.e)];
  const metMs = await metAfter(pair, slotAt, SERIES_MS);
  return { metMs, probes: await searched(pair.e), entriesH: h.most, entriesE: e.most };
}

/** E's port is shut at its router while the first series runs: nothing of it arrives. */
async function twoSeries(report: Report): Promise<void> {
  const count = 4;
  await using lab = await openLab(pairsSpec(Array(count).fill(RANDOM), SLOT_IN_SECONDS));
  const values = await Promise.all(
    pairsOf(lab, count).map(async (pair) => {
      const slotAt = slotOf(pair, 300);
      await startBoth(pair, 'full');
      await sleep(slotAt - 1_000 - Date.now());
      await pair.e.blockUdp(pair.e.plan.listenPort);
      await sleep(slotAt + SERIES_MS - Date.now());
      await pair.e.unblockUdp(pair.e.plan.listenPort);
      return metAfter(pair, slotAt, TWO_SERIES_MS);
    }),
  );
  report.title(`The first series is lost: ${count} pairs, until the second has met`);
  report.row({ what: "from the first slot's beginning to the first ping", values, unit: 'ms', target: TWO_SERIES_MS });
}

/** Routers whose next ports can be told. */
export async function benchHardNatPredicted(report: Report, runs: number): Promise<void> {
  report.title(`Ports that can be told, hard_nat: predicted; ${runs} series each`);
  const E = { nats: ['port-restricted'] } as const;
  for (const step of [1, 2, 3, 4]) {
    const name = `sequential +${step}, 3 foreign flows/s: packets of E`;
    await counted(report, name, Array(runs).fill({ h: { nats: ['sequential'], step }, e: E }), 64, 3);
  }
  await counted(report, 'a block of 1,024: packets of E', Array(runs).fill({ h: { nats: ['block'] }, e: E }), 200, 0);
  const both: PairKind = { h: { nats: ['sequential'] }, e: { nats: ['sequential'] } };
  await counted(report, 'two sequential ones: packets of each', Array(runs).fill(both), 3 * 25 + 5, 0, 2_000);
}

/** H begins late, so that its record is young when the slot begins. */
async function counted(
  report: Report,
  what: string,
  kinds: readonly PairKind[],
  most: number,
  foreign: number,
  metMs?: number,
): Promise<void> {
  await using lab = await openLab(pairsSpec(kinds, SLOT_IN_SECONDS));
  const seen = await Promise.all(
    pairsOf(lab, kinds.length).map(async (pair) => {
      const slotAt = slotOf(pair, 60, Date.now() + FRESH_MS + 5_000);
      await startSide(pair.e, pair.h, 'predicted');
      if (foreign > 0) foreignFlows(lab, pair.h.namespace, foreign);
      await sleep(slotAt - FRESH_MS - Date.now());
      await startSide(pair.h, pair.e, 'predicted');
      const after = await metAfter(pair, slotAt, SERIES_MS);
      return { after, packets: await searched(pair.e) };
    }),
  );
  const packets = seen.map((one) => (Number.isFinite(one.after) ? one.packets : Number.POSITIVE_INFINITY));
  report.row({ what, values: packets, unit: 'times', target: most });
  const from = "  from the slot's beginning to the first ping";
  report.row({ what: from, values: seen.map(({ after }) => after), unit: 'ms', ...(metMs ? { target: metMs } : {}) });
}
