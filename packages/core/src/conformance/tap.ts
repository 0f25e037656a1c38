/** Runs conformance cases and reports them in the Test Anything Protocol, version 14. */
import type { ConformanceCase } from './case.js';

export interface TapOptions {
  /** Takes whole lines with their newlines. */
  write(text: string): void;
  /** Makes an error fit for print: one line, no secrets. */
  describe(error: unknown): string;
}

/** Runs the cases one after the other; resolves with the number of those that failed. */
export async function runTap(cases: readonly ConformanceCase[], options: TapOptions): Promise<number> {
  let failed = 0;
  options.write(`TAP version 14\n1..${cases.length}\n`);
  for (const [index, { name, run }] of cases.entries()) {
    const title = `${index + 1} - ${name.replaceAll('#', '\\#')}`;
    try {
      const result = await run();
      options.write(`ok ${title}${result ? ` # SKIP ${result.skipped}` : ''}\n`);
    } catch (error) {
      failed += 1;
      options.write(`not ok ${title}\n  ---\n  message: ${JSON.stringify(options.describe(error))}\n  ...\n`);
    }
  }
  return failed;
}
