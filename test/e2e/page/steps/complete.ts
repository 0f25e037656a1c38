/** How soon the page is complete: all that it was told of is drawn, and the browser is about to paint it. */
import type { Chromium } from './chromium.js';

/** An expression that is true then. */
export const COMPLETE = "performance.getEntriesByName('complete').length > 0";

/** Milliseconds from the navigation's start, of so many loads after a first one that warms the browser, each in a fresh view; no more once one
 * took no longer than `enoughMs`. */
export async function loadTimes(
  chromium: Chromium,
  url: string,
  { loads, enoughMs = 0 }: { readonly loads: number; readonly enoughMs?: number },
): Promise<readonly number[]> {
  const times: number[] = [];
  for (let load = 0; load <= loads; load += 1) {
    await using view = await chromium.view();
    await view.open(url, COMPLETE);
    const at = await view.evaluate<number>("performance.getEntriesByName('complete')[0].startTime");
    times.push(Math.round(at));
    if (load > 0 && at <= enoughMs) break;
  }
  return times.slice(1);
}
