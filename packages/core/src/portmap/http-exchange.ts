/** One HTTP request to the router over a connection of the device's own way: bounded in bytes and time, to no other host (F55). */

import type { HttpLocation } from './codec/http-location.js';
import { createHttpReader, formatHttpRequest, type HttpAnswer } from './codec/http-message.js';
import type { Gateway } from './gateway.js';
import type { Missing } from './mapping.js';

const WAIT_MS = 2_000;

/** Never rejects. `silent`: no connection, no answer in time, or none of HTTP; the host of `at` is the router's. */
export async function exchangeHttp(
  gateway: Gateway,
  at: HttpLocation,
  post: { readonly action: string; readonly body: string } | undefined,
  signal: AbortSignal,
): Promise<HttpAnswer | Missing> {
  if (!gateway.budget.take()) return 'held';
  using limit = gateway.clock.deadline(WAIT_MS, signal);
  try {
    const socket = await gateway.connectTcp(at.port, limit.signal);
    try {
      return (
        (await new Promise<HttpAnswer | undefined>((resolve) => {
          const reader = createHttpReader();
          limit.signal.addEventListener('abort', () => resolve(undefined), { once: true });
          socket.on('error', () => resolve(undefined));
          socket.on('data', (piece: Buffer) => {
            const answer = reader.push(piece);
            if (answer !== 'more') resolve(answer);
          });
          socket.once('end', () => resolve(reader.end()));
          socket.once('close', () => resolve(undefined));
          socket.write(formatHttpRequest(at, post));
        })) ?? 'silent'
      );
    } finally {
      socket.destroy();
    }
  } catch {
    return 'silent';
  }
}
