/** Collects what was opened and closes it in reverse order, unless it is kept (Node 20 has no AsyncDisposableStack). */

export interface Rollback extends AsyncDisposable {
  /** Takes care of a resource and hands it through. */
  use<T extends AsyncDisposable>(resource: T): T;
  defer(close: () => Promise<void>): void;
  /** Everything collected so far, out of this one's hands: closes in reverse order, once, and every part though one fails. */
  keep(): AsyncDisposable;
}

export function createRollback(onError: (error: unknown) => void): Rollback {
  let steps: (() => PromiseLike<void>)[] = [];
  const close = async (taken: (() => PromiseLike<void>)[]): Promise<void> => {
    for (const step of taken.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        onError(error);
      }
    }
  };
  return {
    use(resource) {
      steps.push(() => resource[Symbol.asyncDispose]());
      return resource;
    },
    defer(step) {
      steps.push(step);
    },
    keep() {
      const kept = steps;
      steps = [];
      return { [Symbol.asyncDispose]: () => close(kept) };
    },
    [Symbol.asyncDispose]: () => close(steps),
  };
}
