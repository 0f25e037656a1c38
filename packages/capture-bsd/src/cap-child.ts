/** The program of a child process that captures on one interface by libpcap: `node cap-child.js INTERFACE FILTER`.
 * Its stdout is a sequence of messages (cap-messages.ts); it ends when its stdin does, whatever became of its parent. */
import { type CapMessage, encodeCapMessage } from './cap-messages.js';

/** Kept here for good: cap itself holds no reference to the memory that it writes to. */
const BUFFER = Buffer.alloc(65_536);
const KERNEL_BUFFER_BYTES = 1 << 20;
/** Of a flood so many frames a second go to the parent, whatever they are: what is in them only the parent knows. */
const MOST_FRAMES_A_SECOND = 4000;

/** Whether one more frame may go on now. */
function createFrameLimit(): () => boolean {
  let [second, frames] = [0, 0];
  return () => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) [second, frames] = [now, 0];
    frames += 1;
    return frames <= MOST_FRAMES_A_SECOND;
  };
}

function say(message: CapMessage): void {
  process.stdout.write(encodeCapMessage(message));
}

/** exit() alone may leave before a pipe has taken everything. */
function end(message: CapMessage): void {
  process.stdout.write(encodeCapMessage(message), () => process.exit(1));
}

async function main([interfaceName = '', filter = '']: readonly string[]): Promise<void> {
  // A terminal's or a service manager's signal goes to the whole group; this process ends with its parent, not before.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.stdout.on('error', () => process.exit(0));
  process.stdin.on('error', () => process.exit(0));
  process.stdin.on('end', () => process.exit(0));
  process.stdin.resume();

  let cap: typeof import('cap');
  try {
    const loaded: typeof import('cap') & { readonly default?: typeof import('cap') } = await import('cap');
    cap = loaded.default ?? loaded;
  } catch (error) {
    end({ kind: 'missing', text: firstLine(error) });
    return;
  }
  try {
    // One open in a process's life, and no close: both a second open and a close after a failed one upset cap.
    const capture = new cap.Cap();
    const linkType = capture.open(interfaceName, filter, KERNEL_BUFFER_BYTES, BUFFER);
    const mayGoOn = createFrameLimit();
    capture.on('packet', (bytes, truncated) => {
      if (!truncated && mayGoOn()) say({ kind: 'frame', frame: BUFFER.subarray(0, bytes) });
    });
    say({ kind: 'ready', linkType });
  } catch (error) {
    end({ kind: 'failed', text: firstLine(error) });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? '';
}

await main(process.argv.slice(2));
