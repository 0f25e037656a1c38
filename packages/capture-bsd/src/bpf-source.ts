/** Frames of an interface from /dev/bpf. */
import { createStunFilter, limitRequests, PACKET_LAYOUTS, type StunMatch } from '@stunmesh/core/net';
import { openBpfDevice } from './bpf-device.js';
import { bpfError, errors } from './errors.js';
import { type LinkType, linkTypeOf } from './frame.js';
import type { FrameListener, FrameSource } from './frame-source.js';
import type { Native } from './native.js';

/** The interface's frames have a form that no filter is known for here; libpcap may know it. */
export class UnknownLinkTypeError extends Error {
  readonly dataLink: number;

  constructor(dataLink: number) {
    super(`frames of link type ${dataLink} are not understood`);
    this.dataLink = dataLink;
  }
}

type FilteredLinkType = Exclude<LinkType, 'LINUX_SLL' | 'LINUX_SLL2'>;

/** Opens /dev/bpf on the interface. Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, UnknownLinkTypeError. */
export function openBpfSource(
  native: Native,
  interfaceName: string,
  match: StunMatch,
  listener: FrameListener,
): FrameSource {
  const what = `/dev/bpf on ${interfaceName}`;
  let open = true;
  let linkType: FilteredLinkType | undefined;
  const device = (() => {
    try {
      return openBpfDevice(native, {
        interfaceName,
        filter(dataLink) {
          linkType = filteredLinkType(dataLink);
          return createStunFilter(PACKET_LAYOUTS[linkType], match);
        },
        limit: (dataLink) => limitRequests(PACKET_LAYOUTS[filteredLinkType(dataLink)]),
        onFrame(error, frame) {
          if (!open) return;
          if (!error) {
            if (linkType) listener.frame(linkType, frame);
          } else {
            // ENXIO: the interface is gone, and poll(2) would say "readable" for ever. A new device is opened when it is back.
            close();
            listener.lost(error);
          }
        },
      });
    } catch (error) {
      throw bpfError(error, interfaceName);
    }
  })();
  const close = () => {
    open = false;
    device.close();
  };
  return {
    async refilter(next) {
      if (!open || !linkType) return;
      try {
        device.refilter(createStunFilter(PACKET_LAYOUTS[linkType], next));
      } catch (error) {
        throw errors.openError(error, what);
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

function filteredLinkType(dataLink: number): FilteredLinkType {
  const linkType = linkTypeOf(dataLink);
  if (linkType && linkType !== 'LINUX_SLL' && linkType !== 'LINUX_SLL2') return linkType;
  throw new UnknownLinkTypeError(dataLink);
}
