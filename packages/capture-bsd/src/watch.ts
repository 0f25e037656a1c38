/** News of the network, until disposed. */
import type { NetworkEvent, StunmeshError } from '@stunmesh/core/api';
import { lostError } from './errors.js';
import type { NetworkNews } from './network-news.js';

/** Errors: ERR_CAPTURE_OPEN. */
export function watchNetwork(
  news: NetworkNews,
  on: { onChange(event: NetworkEvent): void; onFault(error: StunmeshError): void },
): AsyncDisposable {
  const stop = news.listen({
    event: (event) => on.onChange(event),
    fault: (error) => on.onFault(lostError('the watch over the network', error)),
  });
  return {
    async [Symbol.asyncDispose]() {
      stop();
    },
  };
}
