/** How much a session may print that nobody asked for (F76). Time is looked at, nothing is set going. */
import { type Clock, StunmeshError } from '@stunmesh/core/api';

/** Events, empty lines, answers given twice or too late: so many. Every watched key may change once a second, and ten times in a burst. */
const LINES = { atOnce: 1000, perSecond: 50 };
const LINES_FOR_KEY = { atOnce: 10, perSecond: 1 };
/** The same in bytes. */
const BYTES = { atOnce: 4_194_304, perSecond: 262_144 };
const STDERR_BYTES = { atOnce: 1_048_576, perSecond: 65_536 };
/** A line costs at least this. */
const STDERR_LINE = 512;

interface Limits {
  readonly atOnce: number;
  readonly perSecond: number;
}

export interface FlowBudget {
  /** One line of stdout that answers nothing. Errors: ERR_EXEC_OUTPUT when it was one too many. */
  unasked(bytes: number): void;
  /** Bytes of stderr, in which so many lines end. Errors: the same. */
  stderr(bytes: number, lines?: number): void;
}

/** `watched`: how many keys the plugin watches now. */
export function createFlowBudget(clock: Pick<Clock, 'now'>, watched: () => number): FlowBudget {
  const lines = createBucket(clock, () => ({
    atOnce: LINES.atOnce + watched() * LINES_FOR_KEY.atOnce,
    perSecond: LINES.perSecond + watched() * LINES_FOR_KEY.perSecond,
  }));
  const bytes = createBucket(clock, () => BYTES);
  const noise = createBucket(clock, () => STDERR_BYTES);
  return {
    unasked(length) {
      if (lines(1) && bytes(length)) return;
      throw new StunmeshError(
        'ERR_EXEC_OUTPUT',
        'printed more than it may that nobody asked for (events, empty lines, answers given twice or too late) and was ended',
      );
    },
    stderr(length, ends = 0) {
      if (noise(Math.max(length, ends * STDERR_LINE))) return;
      throw new StunmeshError(
        'ERR_EXEC_OUTPUT',
        `wrote more to stderr than it may (${STDERR_BYTES.perSecond} bytes a second, a line counts as ${STDERR_LINE}) and was ended`,
      );
    },
  };
}

/** Takes so much; false: that was more than is left. Full at first, and filled by time. */
function createBucket(clock: Pick<Clock, 'now'>, limits: () => Limits): (amount: number) => boolean {
  let used = 0;
  let at = clock.now();
  return (amount) => {
    const { atOnce, perSecond } = limits();
    const now = clock.now();
    used = Math.max(0, used - ((now - at) / 1000) * perSecond) + amount;
    at = now;
    return used <= atOnce;
  };
}
