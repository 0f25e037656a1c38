/** Situations in which a peer is looked for, played through in simulated time: which endpoints are tried, in which order, when. */
import type { Endpoint, Family } from '#src/api/index.js';
import type { PeerProtocol } from '#src/config/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import type { EndpointRecord } from '#src/record/endpoint-record.js';

/** Endpoints by the letter that stands for them in the trace. */
const LETTERS: Readonly<Record<string, string>> = {
  A: '192.0.2.1:1',
  B: '192.0.2.2:2',
  C: '192.0.2.3:3',
  P: '192.0.2.9:9',
  a: '[2001:db8::1]:1',
  b: '[2001:db8::2]:2',
  p: '[2001:db8::9]:9',
};
const WALL = Date.UTC(2027, 0, 1);
const T = WALL / 1000;
const PROTOCOLS: readonly PeerProtocol[] = ['ipv4', 'ipv6', 'prefer_ipv4', 'prefer_ipv6'];
const FAMILIES: readonly (readonly Family[])[] = [[], [4], [6], [4, 6]];
/** Records as their letters and their time against T; no time: written by a program that knows none. */
const RECORDS: readonly (readonly (readonly [string, number?])[])[] = [
  [],
  [['A', 0]],
  [['Aa', 0]],
  [
    ['Bb', -10],
    ['Aa', 0],
  ],
  [
    ['C', -20],
    ['b', -10],
    ['Aa', 0],
  ],
  [['Bb'], ['Aa', 0]],
];
const PROVEN: readonly (string | undefined)[] = [undefined, 'P', 'p', 'A'];

export interface TurnScenario {
  readonly name: string;
  readonly protocol: PeerProtocol;
  readonly families: ReadonlySet<Family>;
  readonly records: readonly EndpointRecord[];
  readonly proven: Endpoint | undefined;
  readonly provenTime: number | undefined;
  readonly dwellMs: number;
  /** By the wall clock, when the series of attempts begins. */
  readonly startsAt: number;
  /** How long the peer was unconnected by then. */
  readonly unconnectedMs: number;
}

function endpointOf(letter: string): Endpoint {
  const endpoint = parseEndpoint(LETTERS[letter] ?? '');
  if (!endpoint) throw new Error(`no endpoint ${letter}`);
  return endpoint;
}

const letters = new WeakMap<Endpoint, string>();

function letterOf(endpoint: Endpoint): string {
  const known = letters.get(endpoint);
  if (known !== undefined) return known;
  const letter = Object.keys(LETTERS).find((each) => LETTERS[each] === formatEndpoint(endpoint)) ?? '?';
  letters.set(endpoint, letter);
  return letter;
}

function recordOf([letters, offset]: readonly [string, number?]): EndpointRecord {
  const endpoints = [...letters].map(endpointOf);
  const [ipv4, ipv6] = ([4, 6] as const).map((family) => endpoints.find((e) => e.family === family));
  return { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}), ...(offset === undefined ? {} : { t: T + offset }) };
}

/** All protocols, families, records and proven endpoints, with floors and dwell times dealt round over them. */
function turnScenarios(): readonly TurnScenario[] {
  const scenarios: TurnScenario[] = [];
  for (const protocol of PROTOCOLS)
    for (const families of FAMILIES)
      for (const [r, records] of RECORDS.entries())
        for (const proven of PROVEN) {
          const n = scenarios.length;
          const dwellMs = [6_000, 3_000, 5_234, 7_118][(n + r) % 4] ?? 6_000;
          const provenTime = [undefined, T - 15, T - 5][(n + r) % 3];
          const startsAt = WALL + (n % 5) * 2_700;
          scenarios.push({
            name: `${n} ${protocol} ${families.join('')}/${records.map(([letters]) => letters).join(',')}/${proven ?? ''}`,
            protocol,
            families: new Set(families),
            records: records.map(recordOf),
            proven: proven === undefined ? undefined : endpointOf(proven),
            provenTime,
            dwellMs,
            startsAt,
            unconnectedMs: n % 2 === 0 ? 0 : 25_000,
          });
        }
  return scenarios;
}

/** How long each scenario is played, and how finely it is looked at. */
const LASTS_MS = 90_000;
const STEP_MS = 500;

/** One line a scenario: from which half second on which endpoints are tried, in order. */
export function playTurns(order: (scenario: TurnScenario, forMs: number) => readonly Endpoint[]): readonly string[] {
  return turnScenarios().map((scenario) => {
    const changes: string[] = [];
    let before: string | undefined;
    for (let forMs = 0; forMs < LASTS_MS; forMs += STEP_MS) {
      const now = order(scenario, forMs).map(letterOf).join('');
      if (now !== before) changes.push(`${forMs / 1000}${now === '' ? '-' : now}`);
      before = now;
    }
    return `${scenario.name}: ${changes.join(' ')}`;
  });
}
