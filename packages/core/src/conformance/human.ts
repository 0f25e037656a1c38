/** Runs conformance cases and reports them for people. */
import type { ConformanceCase } from './case.js';
import type { TapOptions } from './tap.js';

/** Runs the cases one after the other; resolves with the number of those that failed. */
export async function runHuman(cases: readonly ConformanceCase[], { write, describe }: TapOptions): Promise<number> {
  let [held, failed, skipped] = [0, 0, 0];
  for (const { name, run } of cases) {
    try {
      const result = await run();
      if (result) {
        skipped += 1;
        write(`  -     ${name}\n        ${result.skipped}\n`);
      } else {
        held += 1;
        write(`  ok    ${name}\n`);
      }
    } catch (error) {
      failed += 1;
      write(`  FAIL  ${name}\n        ${describe(error)}\n`);
    }
  }
  write(`\n${held} held, ${failed} failed, ${skipped} do not apply\n`);
  return failed;
}
