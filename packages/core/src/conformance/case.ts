/** One conformance case: a name and a function that rejects when the implementation is wrong. */
export interface ConformanceCase {
  readonly name: string;
  /** Resolves when it holds; rejects with an AssertionError otherwise. Resolving with `{ skipped: reason }` says that it does not apply. */
  run(): Promise<undefined | { readonly skipped: string }>;
}
