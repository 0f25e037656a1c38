/** What the cases for stores run on: instances of one module over one backend, and what an author says of them. */
import type { OpenDatagrams, Store, StoreComponents, StoreTraits } from '../api/index.js';

/** What a harness hands to `open` of its module as it is. */
export type GivenComponents = Partial<Pick<StoreComponents, 'secretFor' | 'openDatagrams' | 'logger'>>;

export interface StoreHarness {
  /** A fresh instance over the same backend each time; the case closes it. */
  open(): Promise<Store>;
  readonly traits: StoreTraits;
  /** The code by which a get of an absent key may reject, for stores that cannot tell absent from failed (exec protocol 0). */
  readonly absentCode?: `ERR_${string}`;
  /** How many records the case "many at once" uses; a backend that counts calls wants few. Default 12. */
  readonly many?: number;
  /** How long a call may take after its signal aborted, and a change until it is seen, in milliseconds. Default 5000. */
  readonly patienceMs?: number;
  /** True when the backend cannot be reached by the instance that this makes: nothing may happen at open (F32). */
  readonly openUnreachable?: (given?: GivenComponents) => Promise<Store>;
  /** As open, with these components of the host among those that the module gets; absent: the cases about them are left out. */
  readonly openWith?: (given: GivenComponents) => Promise<Store>;
  /** Where a record lies follows from its secret (`secretFor`). Default: secrets change nothing. */
  readonly hidesRecords?: boolean;
  /** Opens sockets that reach the backend, for a store that takes `openDatagrams`; absent: it needs none. */
  readonly datagrams?: OpenDatagrams;
  /** The keys that are written to, at least eight, used again and again; absent: a new random one each time. */
  readonly keys?: readonly string[];
}
