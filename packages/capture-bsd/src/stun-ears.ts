/** The listening half of a STUN socket: captures on the underlay's interfaces, whichever there are at a time. */
import { type Endpoint, isStunmeshError, type StunmeshError, type StunSocketOptions } from '@stunmesh/core/api';
import { createStunTest, isLinkLocal, type StunMatch } from '@stunmesh/core/net';
import { type CaptureSet, createCaptureSet } from './capture-set.js';
import { rewrittenError } from './errors.js';
import { type LinkType, parseFrame } from './frame.js';
import type { OpenFrameSource } from './frame-source.js';
import { chooseUnderlay, listInterfaces, missingError } from './interfaces.js';
import type { Native } from './native.js';
import type { NetworkNews } from './network-news.js';
import { defaultRouteInterfaces } from './route.js';

export interface StunEarsParts {
  readonly native: Native;
  readonly news: NetworkNews;
  readonly openSource: OpenFrameSource;
  /** Each source is a process: interfaces without an address of the family are left out. */
  readonly sourcesAreDear: boolean;
}

export interface StunEars extends AsyncDisposable {
  /** Captures what matches, once for each match. Errors: ERR_CAPTURE_INTERFACE; those of the sources when all of them fail. */
  listen(match: StunMatch): Promise<void>;
}

export interface StunEarsOwner {
  /** Whether a message from there answers one that was sent: what goes to other ports may be meant for others behind this host. */
  isAnswer(message: Uint8Array, from: Endpoint): boolean;
  /** News of the network cannot be had any more. */
  onFault(error: Error): void;
}

/** Nothing is heard before listen(). */
export function createStunEars(parts: StunEarsParts, options: StunSocketOptions, owner: StunEarsOwner): StunEars {
  const { localPort, clock } = options;
  const sets = new Map<string, CaptureSet>();
  let deaf: (() => void) | undefined;
  let closed = false;
  const told = new Set<string>();

  const notice = (error: StunmeshError) => {
    if (!told.has(error.message)) options.onNotice?.(error);
    told.add(error.message);
  };
  const onFrame = (interfaceName: string, match: StunMatch, linkType: LinkType, frame: Uint8Array) => {
    const datagram = closed ? undefined : parseFrame(linkType, frame);
    // What the filter tested, once more (F4).
    if (datagram?.to.family !== options.family) return;
    if (!createStunTest(match)(datagram.payload, datagram.from.port, datagram.to.port)) return;
    const { payload: message, from, to } = datagram;
    const event = { message, from: isLinkLocal(from.address) ? { ...from, zone: interfaceName } : from, to };
    if ('localPort' in match) {
      options.onMessage({ ...event, interface: interfaceName });
      // What the second attempt sees of the first one's has been heard.
    } else if (to.port !== localPort && isSuccess(message) && owner.isAnswer(message, from)) {
      notice(rewrittenError(localPort, to.port, interfaceName));
      options.onMessage({ ...event, interface: interfaceName, rewritten: true });
    }
  };
  const wanted = () => {
    try {
      return chooseNow(parts, options, notice);
    } catch (error) {
      if (isStunmeshError(error)) notice(error);
      return [];
    }
  };

  return {
    async listen(match) {
      const key = JSON.stringify(match);
      if (closed || sets.has(key)) return;
      if (sets.size === 0) {
        chooseNow(parts, options, notice);
        // Before the first look, so that nothing which comes in between is missed.
        deaf = parts.news.listen({
          event({ kind }) {
            if (kind !== 'route') for (const set of sets.values()) void set.networkChanged();
          },
          fault: (error) => owner.onFault(error),
        });
      }
      const set = createCaptureSet({
        wanted,
        open: (name, lost, signal) =>
          parts.openSource(
            name,
            match,
            { frame: (linkType, frame) => onFrame(name, match, linkType, frame), lost },
            signal,
          ),
        ...(clock && { clock }),
      });
      sets.set(key, set);
      await set.refresh();
      const [...failures] = set.failures().values();
      if (failures.length > 0 && set.names().length === 0) throw failures[0];
      for (const failure of failures) if (isStunmeshError(failure)) notice(failure);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      deaf?.();
      deaf = undefined;
      await Promise.all([...sets.values()].map((set) => set[Symbol.asyncDispose]()));
    },
  };
}

/** Names of the interfaces to capture on. Errors: ERR_CAPTURE_INTERFACE when none of those that the configuration names exists. */
function chooseNow(
  { native, sourcesAreDear }: StunEarsParts,
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
  if (!sourcesAreDear) return names;
  const holders = new Set(list.filter((i) => i.addresses.some((a) => a.family === family)).map((i) => i.name));
  return names.filter((name) => holders.has(name));
}

/** A binding success response (RFC 8489 section 5). */
function isSuccess(message: Uint8Array): boolean {
  return message[0] === 0x01 && message[1] === 0x01;
}
