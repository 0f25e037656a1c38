/** A /dev/bpf set up for one interface, in the order that kernels accept, and its frames. */
import { BYTE_ORDER } from '@stunmesh/core/capture-kit';
import { type BpfInstruction, DROP_ALL, encodeBpf, type limitRequests } from '@stunmesh/core/net';
import type { FrameListener, Native } from './native.js';

/** Room for some hundred STUN answers between two reads; the kernel makes it smaller if it has to. */
const BUFFER_BYTES = 32_768;

export interface BpfDeviceOptions {
  readonly interfaceName: string;
  /** The program for the interface's DLT_ number, which is known once the device is attached; what it throws is passed on. */
  filter(dataLink: number): readonly BpfInstruction[];
  /** What the reader's thread lets through of requests. Default: all. */
  limit?(dataLink: number): ReturnType<typeof limitRequests>;
  readonly onFrame: FrameListener;
}

export interface BpfDevice {
  /** The DLT_ number that the frames have. */
  readonly dataLink: number;
  /** Another program, without losing what was captured. Errors: SystemError. */
  refilter(program: readonly BpfInstruction[]): void;
  /** Reads on after an error other than ENXIO. */
  resume(): void;
  statistics(): { readonly received: number; readonly dropped: number };
  /** Idempotent. */
  close(): void;
}

/**
 * Opens, configures and reads a bpf(4) device; the listener hears frames from now on. The order is what a FreeBSD kernel accepts:
 * size before filter, filter before interface. The offsets of the real filter need the link type, which is there only after the
 * interface, so a filter that drops all goes first: nothing is kept before the direction is set, and the second BIOCSETF
 * empties the buffer (F4). Errors: SystemError as Native has them, and what `filter` throws; the device is closed then.
 */
export function openBpfDevice(native: Native, { interfaceName, filter, limit, onFrame }: BpfDeviceOptions): BpfDevice {
  const bpf = native.openBpf();
  try {
    native.setBpfBuffer(bpf, BUFFER_BYTES);
    native.setBpfImmediate(bpf);
    native.setBpfFilter(bpf, encodeBpf(DROP_ALL, BYTE_ORDER));
    native.attachBpf(bpf, interfaceName);
    native.setBpfIncoming(bpf);
    const dataLink = native.bpfDataLink(bpf);
    native.setBpfFilter(bpf, encodeBpf(filter(dataLink), BYTE_ORDER));
    if (limit) {
      const { perSecond, type, offsets } = limit(dataLink);
      native.limit(bpf, perSecond, type, offsets);
    }
    native.startFrames(bpf, onFrame);
    return {
      dataLink,
      refilter: (program) => native.replaceBpfFilter(bpf, encodeBpf(program, BYTE_ORDER)),
      resume: () => native.resume(bpf),
      statistics: () => native.bpfStatistics(bpf),
      close: () => native.close(bpf),
    };
  } catch (error) {
    native.close(bpf);
    throw error;
  }
}
