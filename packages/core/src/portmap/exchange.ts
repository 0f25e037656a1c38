/** One question to the router by UDP, repeated while it is not answered. */
import { isStunmeshError } from '../api/index.js';
import type { Gateway } from './gateway.js';
import type { Missing } from './mapping.js';

export interface Question<Answer> {
  readonly port: number;
  /** Sent together. */
  readonly messages: readonly Uint8Array[];
  /** When they are sent, from the beginning; milliseconds. */
  readonly sendAtMs: readonly number[];
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** undefined: it is no answer to this, and is passed over. */
  read(message: Uint8Array): Answer | undefined;
}

/** While a publication waits for it. */
export const IN_HURRY = { sendAtMs: [0, 300], waitMs: 800 } as const;
/** Of a router that answered before. */
export const AT_EASE = { sendAtMs: [0, 1_000], waitMs: 3_000 } as const;

/** Never rejects. */
export async function exchange<Answer extends object>(
  gateway: Gateway,
  question: Question<Answer>,
): Promise<Answer | Missing> {
  const { clock, budget } = gateway;
  const { port, messages, sendAtMs, waitMs, signal } = question;
  if (signal.aborted) return 'silent';
  const over = new AbortController();
  using limit = clock.deadline(waitMs, signal);
  let settle: (outcome: Answer | Missing) => void = () => undefined;
  const outcome = new Promise<Answer | Missing>((resolve) => {
    settle = resolve;
  });
  const onAbort = (): void => settle('silent');
  limit.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await using socket = await gateway.openDatagramSocket(port, {
      onMessage(message) {
        const answer = question.read(message);
        if (answer) settle(answer);
      },
      onFault: (error) => settle(isRefused(error) ? 'absent' : 'silent'),
    });
    const sending = async (): Promise<void> => {
      let at = 0;
      for (const next of sendAtMs) {
        if (next > at) await clock.sleep(next - at, over.signal);
        at = next;
        for (const message of messages) {
          if (!budget.take()) return next === 0 && message === messages[0] ? settle('held') : undefined;
          await socket.send(message);
        }
      }
    };
    sending().catch((error) => settle(isRefused(error) ? 'absent' : 'silent'));
    return await outcome;
  } catch {
    return 'silent';
  } finally {
    over.abort();
    limit.signal.removeEventListener('abort', onAbort);
  }
}

/** The router's own word that nobody listens at the port. */
function isRefused(error: unknown): boolean {
  return isStunmeshError(error) && error.details['code'] === 'ECONNREFUSED';
}
