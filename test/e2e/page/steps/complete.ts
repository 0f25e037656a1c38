/** How soon the page is complete: all that it was told of is drawn, and the browser is about to paint it. */
import type { Chromium } from './chromium.js';

/** An expression that is true then. */
export const COMPLETE = "performance.getEntriesByName('complete').length > 0";

/** Milliseconds from the navigation's start, of so many loads after a first one that warms the browser, each in a fresh view. */
export async function loadTimes(chromium: Chromium, url: string, loads: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let load = 0; load <= loads; load += 1) {
    await using view = await chromium.view();
    await view.open(url, COMPLETE);
    times.push(Math.round(await view.evaluate<number>("performance.getEntriesByName('complete')[0].startTime")));
  }
  return times.slice(1);
}
