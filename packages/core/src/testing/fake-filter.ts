/** A packet filter without packets: a test sees which rules are in force, and makes the system refuse them. */
import { type Diversion, type DiversionRules, type PacketFilter, StunmeshError } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';

const MOST_MS = { muffle: 1000, hush: 120_000 } as const;
const MOST_HUSHED = 512;

type Asked<Call extends keyof PacketFilter> = Parameters<NonNullable<PacketFilter[Call]>>[0];

export interface FakePacketFilter extends Required<PacketFilter> {
  /** What was muffled, oldest first. */
  readonly muffles: NonNullable<Asked<'muffle'>>[];
  /** What was hushed, oldest first. */
  readonly hushes: NonNullable<Asked<'hushPorts'>>[];
  /** The diversions that are in force; a test that adds one has an earlier process leave it behind. */
  readonly diverted: DiversionRules[];
}

/** `check` throws where the test wants the system to refuse. */
export function createFakePacketFilter(check: (what: 'filter') => void): FakePacketFilter {
  const same = (a: DiversionRules, b: DiversionRules) => a.device === b.device && sameEndpoint(a.remote, b.remote);
  const take = (of: (rules: DiversionRules) => boolean): void => {
    for (let i = fake.diverted.length - 1; i >= 0; i -= 1) {
      const rules = fake.diverted[i];
      if (rules && of(rules)) fake.diverted.splice(i, 1);
    }
  };
  const toDiversion = ({ device, localPort, sourcePort, remote }: DiversionRules): Diversion => {
    const rules = { device, localPort, sourcePort, remote };
    const remove = async (): Promise<void> => {
      check('filter');
      take((one) => same(one, rules) && one.sourcePort === sourcePort);
    };
    let kept = false;
    return {
      ...rules,
      keep() {
        kept = true;
      },
      remove,
      async [Symbol.asyncDispose]() {
        if (!kept) await remove();
      },
    };
  };

  const fake: FakePacketFilter = {
    muffles: [],
    hushes: [],
    diverted: [],
    async muffle(options) {
      checkMs(options.ms, MOST_MS.muffle);
      check('filter');
      fake.muffles.push(options);
    },
    async divert(rules) {
      check('filter');
      take((one) => same(one, rules));
      fake.diverted.push({ ...rules });
      return toDiversion(rules);
    },
    async diversions(device) {
      check('filter');
      return fake.diverted.filter((rules) => rules.device === device).map(toDiversion);
    },
    async hushPorts(options) {
      checkMs(options.ms, MOST_MS.hush);
      if (options.ports.length > MOST_HUSHED) throw refused(`${options.ports.length} ports at a time`);
      check('filter');
      fake.hushes.push(options);
    },
    async removeRules(device) {
      check('filter');
      const devices = new Set(fake.diverted.map((rules) => rules.device).filter((one) => (device ?? one) === one));
      take((rules) => devices.has(rules.device));
      return [...devices];
    },
  };
  return fake;
}

function checkMs(ms: number, most: number): void {
  if (!Number.isInteger(ms) || ms < 1 || ms > most) throw refused(`${ms} milliseconds`);
}

function refused(what: string): StunmeshError {
  return new StunmeshError('ERR_CAPTURE_FILTER', `the fake packet filter refuses ${what}`);
}
