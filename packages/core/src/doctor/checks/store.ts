/** Does each store answer: read, written, read again, under the one key that is nobody's. */
import { type Device, hasCode, isStunmeshError } from '../../api/index.js';
import { sealedLength } from '../../record/endpoint-record.js';
import { storeKey } from '../../record/store-key.js';
import { formatAge, formatMs } from '../../runtime/terminal-text.js';
import type { GuardedStore } from '../../store/guarded-store.js';
import { longestValue } from '../../store/input.js';
import { attempt, type DoctorContext } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';
import { experience, writingOfDaemons } from '../store-experience.js';

const check = 'store';
/** Slower than that, a change of address is known late. */
const SLOW_MS = 3_000;
/** What the host adds to an error of a call: it says nothing to a reader. */
const KEY_WORDS = /^(get|set)( of \d+ keys)?( [0-9a-f]{40}| (?:of|for) "[^"]*")?: /;
/** A record of both families with all its members: nothing has to be left out of it. */
const WHOLE_RECORD = sealedLength('x'.repeat(220));

export const storeCheck: Check<DoctorContext> = {
  name: check,
  async run(context) {
    const used = new Set(
      context.interfaces.flatMap((entry) => [...entry.peers.values()].flatMap(({ plugins }) => plugins)),
    );
    return (await Promise.all([...used].map((name) => look(context, name)))).flat();
  },
};

async function look(context: DoctorContext, name: string): Promise<readonly Finding[]> {
  const subject = `store "${name}"`;
  const { value: store, error } = await attempt(context.store(name));
  if (!store) return [{ check, subject, verdict: 'fault', ...fromError(error) }];
  const entry = context.interfaces.find((candidate) =>
    [...candidate.peers.values()].some(({ plugins }) => plugins.includes(name)),
  );
  const { value: device } = await attempt(context.device(entry?.name ?? ''));
  const findings = await tryStore(context, store, device, subject);
  const lived = [...(await remarks(context, store, subject)), ...(await experience(context, name, subject))];
  if (findings.some(({ verdict }) => verdict === 'fault')) return [...findings, ...lived];
  return [...findings, ...(await writingOfDaemons(context, name, subject)), ...limits(store, subject), ...lived];
}

/** Without a device there is no key of our own: an absent record under a random key tells that reading works. */
async function tryStore(
  context: DoctorContext,
  store: GuardedStore,
  device: Device | undefined,
  subject: string,
): Promise<readonly Finding[]> {
  const { clock, random, signal, storeWrite } = context.parts;
  const key = device ? storeKey(device.publicKey, device.publicKey) : Buffer.from(random(20)).toString('hex');
  const timed = async <T>(work: () => Promise<T>) => {
    const startedAt = clock.now();
    const outcome = await attempt(work());
    return { ...outcome, tookMs: clock.now() - startedAt };
  };
  const read = await timed(() => store.get(key, { signal }));
  // A program of protocol 0 has no word for "absent": only what was written can be read.
  const silent = hasCode(read.error, 'ERR_EXEC_FAILED');
  if (read.error !== undefined && !(silent && storeWrite && device))
    return [fault(read.error, subject, 'it cannot be read')];
  if (!storeWrite || !device)
    return [
      {
        check,
        subject,
        verdict: 'ok',
        text: `read in ${formatMs(read.tookMs)}; writing was not tried`,
        details: { getMs: Math.round(read.tookMs) },
      },
    ];

  const value = Buffer.from(random(64)).toString('hex');
  const write = await timed(() => store.set(key, value, { signal }));
  if (write.error !== undefined) {
    const readOnly = read.error === undefined && hasCode(write.error, 'ERR_STORE_DENIED');
    return [
      fault(write.error, subject, readOnly ? 'it can be read and not written (read-only)' : 'it cannot be written'),
    ];
  }
  const again = await timed(() => store.get(key, { signal }));
  if (again.error !== undefined) return [fault(again.error, subject, 'it cannot be read')];
  await attempt(store.delete?.(key, { signal }) ?? Promise.resolve());
  const slowest = Math.max(read.tookMs, write.tookMs, again.tookMs);
  const details = { getMs: Math.round(again.tookMs), setMs: Math.round(write.tookMs) };
  const text = `read in ${formatMs((silent ? again : read).tookMs)}, written in ${formatMs(write.tookMs)}`;
  if (again.value !== value)
    return [
      {
        check,
        subject,
        verdict: 'warning',
        text: `${text}; what was written is not read back yet${again.value === undefined ? '' : ' (the value before it is)'}`,
        remedy:
          'a store that shows changes late delays every move of a peer by as much; run doctor again, and look whether both sides use the same one.',
        details,
      },
    ];
  if (slowest > SLOW_MS)
    return [
      { check, subject, verdict: 'warning', text: `${text}: slow`, remedy: remedyOf('ERR_STORE_UNAVAILABLE'), details },
    ];
  return [{ check, subject, verdict: 'ok', text: `${text}, and read back`, details }];
}

function fault(error: unknown, subject: string, what: string): Finding {
  const { text, ...rest } = fromError(error);
  // The message begins with the store's name, which the subject says already.
  const short = (text.startsWith(`${subject}: `) ? text.slice(subject.length + 2) : text).replace(KEY_WORDS, '');
  const wait =
    isStunmeshError(error) && error.retryAfterMs !== undefined
      ? ` (try again in ${formatAge(error.retryAfterMs)})`
      : '';
  return { check, subject, verdict: 'fault', text: `${what}: ${short}${wait}`, ...rest };
}

/** What the store knows and no call shows. */
async function remarks(context: DoctorContext, store: GuardedStore, subject: string): Promise<readonly Finding[]> {
  const { value = [] } = await attempt(store.examine?.({ signal: context.parts.signal }) ?? Promise.resolve([]));
  return value.map(({ text, remedy }) => ({ check, subject, verdict: 'warning', text, remedy }));
}

/** What the store bears, and what it says of itself. */
function limits(store: GuardedStore, subject: string): readonly Finding[] {
  const { traits } = store;
  const said = store.note?.();
  const { maxValueBytes, maxLongValue, minPollMs, expiresAfterMs } = traits;
  const most = longestValue(traits);
  const forOlder = most > maxValueBytes ? `, ${maxValueBytes} where an older program may read them` : '';
  const parts = [
    `values up to ${most} characters${forOlder}`,
    `asked at most every ${minPollMs < 1_000 ? formatMs(minPollMs) : formatAge(minPollMs)}`,
    ...(expiresAfterMs === undefined ? [] : [`forgets after ${formatAge(expiresAfterMs)}`]),
  ];
  const details = { maxValueBytes, maxLongValue, minPollMs, expiresAfterMs };
  const short = most < WHOLE_RECORD;
  return [
    {
      check,
      subject,
      verdict: 'note',
      text: `${parts.join(', ')}${short ? '; of a record with both families some members are left out' : ''}`,
      details,
    },
    ...(said === undefined ? [] : [{ check, subject, verdict: 'note', text: said } as const]),
  ];
}
