/** The listening half of a STUN socket: captures on the underlay's interfaces, whichever there are at a time. */
import {
  type Endpoint,
  isStunmeshError,
  type StunmeshError,
  type StunRequests,
  type StunSocketOptions,
} from '@stunmesh/core/api';
import { createStunMatch, createStunTest, isLinkLocal, type StunMatch } from '@stunmesh/core/net';
import { type CaptureSet, createCaptureSet } from './capture-set.js';
import { rewrittenError } from './errors.js';
import { type LinkType, parseFrame } from './frame.js';
import type { OpenFrameSource } from './frame-source.js';
import { chooseUnderlay, listInterfaces, missingError } from './interfaces.js';
import type { Native } from './native.js';
import { defaultRouteInterfaces } from './route.js';
import type { RouteMonitor } from './route-monitor.js';

/** Servers' ports that are listened to at a time. */
const MOST_OTHERS = 4;

export interface StunReceiverParts {
  readonly native: Native;
  readonly monitor: RouteMonitor;
  readonly openSource: OpenFrameSource;
  /** Each source is a process: interfaces without an address of the family are left out. */
  readonly oneProcessPerSource: boolean;
}

export interface StunReceiver extends AsyncDisposable {
  /** Captures what comes to the socket's port. Errors: ERR_CAPTURE_INTERFACE; those of the sources when all of them fail. */
  listen(): Promise<void>;
  /** Captures answers from a server's port too, to whichever port of ours. Errors: as listen(). */
  listenFrom(sourcePort: number): Promise<void>;
  /** As StunSocket.passRequests. */
  passRequests(requests: StunRequests | undefined): Promise<void>;
}

export interface StunReceiverOwner {
  /** Whether a message from there answers one that was sent: what goes to other ports may be meant for others behind this host. */
  isAnswer(message: Uint8Array, from: Endpoint): boolean;
  /** News of the network cannot be had any more. */
  onFault(error: Error): void;
}

/** Nothing is heard before listen(). */
export function createStunReceiver(
  parts: StunReceiverParts,
  options: StunSocketOptions,
  owner: StunReceiverOwner,
): StunReceiver {
  const { localPort, clock } = options;
  const own = createListening(createStunMatch(options, options.requests));
  /** By the server's port. */
  const others = new Map<number, Listening>();
  let unsubscribe: (() => void) | undefined;
  let closed = false;
  const told = new Set<string>();

  const notice = (error: StunmeshError) => {
    if (!told.has(error.message)) options.onNotice?.(error);
    told.add(error.message);
  };
  const onFrame = (interfaceName: string, { match, test }: Listening, linkType: LinkType, frame: Uint8Array) => {
    const datagram = closed ? undefined : parseFrame(linkType, frame);
    // What the filter tested, once more (F4).
    if (datagram?.to.family !== options.family) return;
    const { payload: message, from, to } = datagram;
    if (!test(message, from.port, to.port)) return;
    const event = { message, from: isLinkLocal(from.address) ? { ...from, zone: interfaceName } : from, to };
    if ('localPort' in match) {
      // Our own port is not rewritten, or not any more.
      if (others.size > 0 && isSuccess(message) && owner.isAnswer(message, from)) closeOthers();
      options.onMessage({ ...event, interface: interfaceName });
      // What the second attempt sees of the first one's has been heard.
    } else if (to.port !== localPort && isSuccess(message) && owner.isAnswer(message, from)) {
      notice(rewrittenError(localPort, to.port, interfaceName));
      options.onMessage({ ...event, interface: interfaceName, rewritten: true });
    }
  };
  const closeOthers = () => {
    const sets = [...others.values()];
    others.clear();
    for (const { set } of sets) void set?.[Symbol.asyncDispose]();
  };
  const wanted = () => {
    try {
      return chooseNow(parts, options, notice);
    } catch (error) {
      if (isStunmeshError(error)) notice(error);
      return [];
    }
  };

  const start = async (listening: Listening): Promise<void> => {
    if (closed || listening.set) return;
    if (!unsubscribe) {
      chooseNow(parts, options, notice);
      // Before the first look, so that nothing which comes in between is missed.
      unsubscribe = parts.monitor.listen({
        event({ kind }) {
          if (kind === 'route') return;
          for (const { set } of [own, ...others.values()]) void set?.networkChanged();
        },
        fault: (error) => owner.onFault(error),
      });
    }
    const set = createCaptureSet({
      wanted,
      async open(name, lost, signal) {
        const frame = (linkType: LinkType, bytes: Uint8Array) => onFrame(name, listening, linkType, bytes);
        let used = listening.match;
        const source = await parts.openSource(name, used, { frame, lost }, signal);
        while (used !== listening.match) {
          used = listening.match;
          await source.refilter(used);
        }
        return source;
      },
      ...(clock && { clock }),
    });
    listening.set = set;
    await set.refresh();
    const [...failures] = set.failures().values();
    if (failures.length > 0 && set.names().length === 0) throw failures[0];
    for (const failure of failures) if (isStunmeshError(failure)) notice(failure);
  };

  return {
    listen: () => start(own),
    async listenFrom(sourcePort) {
      if (closed || others.has(sourcePort) || others.size >= MOST_OTHERS) return;
      const { prefixes } = own.match;
      const listening = createListening({ sourcePort, ...(prefixes && { prefixes }) });
      others.set(sourcePort, listening);
      await start(listening);
    },
    async passRequests(requests) {
      own.match = createStunMatch(options, requests);
      own.test = createStunTest(own.match);
      const sources = own.set?.sources() ?? [];
      const results = await Promise.allSettled(sources.map((source) => source.refilter(own.match)));
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      if (failures.length > 0 && failures.length === sources.length) throw failures[0];
      for (const failure of failures) if (isStunmeshError(failure)) notice(failure);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      unsubscribe?.();
      unsubscribe = undefined;
      await Promise.all([own, ...others.values()].map(({ set }) => set?.[Symbol.asyncDispose]()));
    },
  };
}

/** What is captured, and by which sources once there are any. */
interface Listening {
  match: StunMatch;
  test: ReturnType<typeof createStunTest>;
  set?: CaptureSet;
}

function createListening(match: StunMatch): Listening {
  return { match, test: createStunTest(match) };
}

/** Names of the interfaces to capture on. Errors: ERR_CAPTURE_INTERFACE when none of those that the configuration names exists. */
function chooseNow(
  { native, oneProcessPerSource }: StunReceiverParts,
  options: StunSocketOptions,
  notice: (error: StunmeshError) => void,
): readonly string[] {
  const { family, excludeDevice, interfaces: named = [], defaultRouteOnly } = options;
  const list = listInterfaces(native);
  const { names, missing } = chooseUnderlay(list, {
    excludeDevice,
    named,
    ...(defaultRouteOnly && { byDefaultRoute: defaultRouteInterfaces(native, options) }),
  });
  if (missing.length > 0) {
    const error = missingError(missing, list);
    if (missing.length === named.length && !defaultRouteOnly) throw error;
    notice(error);
  }
  if (!oneProcessPerSource) return names;
  const holders = new Set(list.filter((i) => i.addresses.some((a) => a.family === family)).map((i) => i.name));
  return names.filter((name) => holders.has(name));
}

/** A binding success response (RFC 8489 section 5). */
function isSuccess(message: Uint8Array): boolean {
  return message[0] === 0x01 && message[1] === 0x01;
}
