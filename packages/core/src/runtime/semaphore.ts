/** At most so many at once; the others wait their turn, in order. */

export interface Semaphore {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createSemaphore(most: number): Semaphore {
  let open = most;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (open > 0) open -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else open += 1;
      }
    },
  };
}
