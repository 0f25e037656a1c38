/** The STUN server's metrics, read from its counters at each scrape. Loads prom-client. */
import type { Registry } from 'prom-client';
import type { Page } from './http-pages.js';
import { createMetrics } from './registry.js';

/** Since the server's start. */
export interface StunServerReading {
  /** Requests answered with an address. */
  readonly answered: number;
  /** Requests answered with an error. */
  readonly refused: number;
  /** Datagrams that were no binding request, or came from where nothing can be sent to. */
  readonly ignored: number;
  /** Requests left unanswered because of a rate limit. */
  readonly limited: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Sources in the table of rate limits now. */
  readonly sources: number;
}

export function createStunServerMetrics(
  reading: () => StunServerReading,
  startedAtMs: number,
): { readonly registry: Registry; page(): Promise<Page> } {
  const metrics = createMetrics(startedAtMs);
  const requests = metrics.counter(
    'stunmesh_stun_server_datagrams_total',
    'Datagrams received, by what became of them: answered, refused, ignored, limited.',
    ['outcome'],
  );
  const received = metrics.counter('stunmesh_stun_server_receive_bytes_total', 'Bytes of UDP payload received.');
  const sent = metrics.counter('stunmesh_stun_server_transmit_bytes_total', 'Bytes of UDP payload sent.');
  const sources = metrics.gauge('stunmesh_stun_server_sources', 'Sources in the table of rate limits.');
  const read = (): void => {
    const now = reading();
    for (const metric of [requests, received, sent]) metric.reset();
    for (const outcome of ['answered', 'refused', 'ignored', 'limited'] as const)
      requests.inc({ outcome }, now[outcome]);
    received.inc(now.receivedBytes);
    sent.inc(now.sentBytes);
    sources.set(now.sources);
  };
  return { registry: metrics.registry, page: () => metrics.page(read) };
}
