/** A /dev/bpf set up for one interface, in the order that kernels accept, and its frames. */
import { DROP_ALL, encodeBpf } from '@stunmesh/core/net';
import type { FrameListener, Native, NativeBpf } from './native.js';
