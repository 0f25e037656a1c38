/** Does the capture module work: it loads, opens a raw socket, and its filter lets a STUN reply in and nothing else? */
import { type CaptureModule, hasCode } from '../../api/index.js';
import { ATTRIBUTE, addressAttribute } from '../../stun/attributes.js';
import { formatMessage, METHOD_BINDING, parseMessage, TRANSACTION_ID_BYTES } from '../../stun/message.js';
import { wordsOf } from '../../wireguard/platform.js';
import { attempt, type DoctorContext, type DoctorParts } from '../context.js';
import { type Check, type Finding, fromError } from '../finding.js';

const check = 'capture';
const LOOPBACK = { family: 4, address: '127.0.0.1' } as const;
/** A reply on loopback is there at once. */
const REPLY_MS = 1_000;
/** RFC 6335 section 6: ports that nobody is given for good. */
const FIRST_DYNAMIC_PORT = 49_152;

export const captureCheck: Check<DoctorContext> = {
  name: check,
  async run(context) {
    const { value: capture, error } = await attempt(context.capture());
    if (!capture) return [{ check, verdict: 'fault', ...fromError(error) }];
    const loaded: Finding = { check, verdict: 'ok', text: `the capture module "${capture.name}" is loaded` };
    const filter = await missingFilter(capture);
    const findings = [loaded, ...filter];
    const tried = await attempt(tryLoopback(capture, context.parts));
    if (hasCode(tried.error, 'ERR_CAPTURE_UNREACHABLE'))
      return [...findings, noLoopback(context.parts.system.platform)];
    if (tried.error !== undefined) return [...findings, { check, verdict: 'fault', ...fromError(tried.error) }];
    return [
      ...findings,
      // What captures before the firewall does so by interface, on those of the underlay alone.
      judge(tried.value ?? { reply: false, other: false }, capture.capturesBeforeFirewall !== true),
    ];
  },
};

/** Rules of ours: a hard NAT is opened by them, and a busy tunnel moved. Any name of a device will do for the question. */
async function missingFilter(capture: CaptureModule): Promise<readonly Finding[]> {
  const { error } = await attempt(Promise.resolve(capture.diversions?.('doctor')));
  return hasCode(error, 'ERR_CAPTURE_FILTER') ? [{ check, verdict: 'note', ...fromError(error) }] : [];
}

function noLoopback(platform: NodeJS.Platform): Finding {
  const { linkUp, loopback } = wordsOf(platform);
  return {
    check,
    verdict: 'warning',
    text: 'the raw socket opens; its filter could not be tried, as there is no way to 127.0.0.1',
    remedy: `bring the interface ${loopback} up (${linkUp(loopback)}) and run doctor again.`,
    code: 'ERR_CAPTURE_UNREACHABLE',
  };
}

interface Seen {
  readonly reply: boolean;
  readonly other: boolean;
}

/** Sends itself, over loopback, a datagram that is no STUN and then a STUN response. */
async function tryLoopback(capture: CaptureModule, parts: DoctorParts): Promise<Seen> {
  const { clock, random, signal } = parts;
  const [high = 0, low = 0] = random(2);
  const port = FIRST_DYNAMIC_PORT + (((high << 8) | low) % (65_536 - FIRST_DYNAMIC_PORT));
  const to = { ...LOOPBACK, port };
  const transactionId = random(TRANSACTION_ID_BYTES);
  const attributes = [addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, to)];
  const reply = formatMessage({ class: 'success', method: METHOD_BINDING, transactionId, attributes });
  const noStun = random(reply.length).fill(0xff, 0, 1);
  let seen: Seen = { reply: false, other: false };
  const arrived = new AbortController();
  using limit = clock.deadline(REPLY_MS, signal);
  await using socket = await capture.openStunSocket({
    family: 4,
    localPort: port,
    excludeDevice: '',
    firewallMark: 0,
    signal,
    onMessage({ message }) {
      const ours = parseMessage(message)?.transactionId.every((byte, i) => byte === transactionId[i]) === true;
      seen = ours ? { ...seen, reply: true } : { ...seen, other: true };
      if (ours) arrived.abort();
    },
    onFault: () => arrived.abort(),
  });
  await socket.send(noStun, to);
  await socket.send(reply, to);
  await new Promise<void>((resolve) => {
    if (arrived.signal.aborted) resolve();
    arrived.signal.addEventListener('abort', () => resolve(), { once: true });
    limit.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return seen;
}

function judge(seen: Seen, loopbackIsHeard: boolean): Finding {
  if (seen.other)
    return {
      check,
      verdict: 'fault',
      text: 'the filter of the raw socket let a packet through that is no STUN reply',
      remedy: 'build the capture module again for this system, and report it.',
      code: 'ERR_CAPTURE_OPEN',
    };
  if (seen.reply)
    return { check, verdict: 'ok', text: 'self-test on loopback: a STUN reply arrives, another packet is kept out' };
  if (!loopbackIsHeard)
    return {
      check,
      verdict: 'note',
      text: 'the raw socket opens; loopback is not captured here, so no more was tried',
    };
  return {
    check,
    verdict: 'fault',
    text: 'self-test on loopback: the STUN reply did not arrive',
    remedy: "let UDP over the interface lo pass in the host's firewall (input and output rules), then try again.",
    code: 'ERR_STUN_BLOCKED',
  };
}
