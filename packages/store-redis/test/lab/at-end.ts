/** Ends what a test began in reverse order; node:test's own hooks run in the order in which they were set. */
import type { TestContext } from 'node:test';

const endings = new WeakMap<TestContext, AsyncDisposable[]>();

export function closeAtEnd(t: TestContext, thing: AsyncDisposable): void {
  const known = endings.get(t);
  if (known) {
    known.push(thing);
    return;
  }
  const things = [thing];
  endings.set(t, things);
  t.after(async () => {
    for (const each of things.reverse()) await each[Symbol.asyncDispose]();
  });
}
