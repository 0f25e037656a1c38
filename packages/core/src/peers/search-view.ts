/** What `status` sees of the search for a way through a hard NAT. Times are milliseconds since 1970. */
export interface SearchStatus {
  /** Series since the last hit, the running one included. */
  readonly series: number;
  /** Of the series that runs: packets sent, and how many there are at most. Neither is 0 while one runs. */
  readonly sent: number;
  readonly of: number;
  /** None runs: when the next one begins. */
  readonly nextAt?: number;
  /** The budget allows none before. */
  readonly pausedUntil?: number;
  /** Why nothing is searched. */
  readonly why?: string;
}

/** Of one peer; undefined: neither NAT is a hard one, or it is not known yet. */
export type SearchView = () => SearchStatus | undefined;
