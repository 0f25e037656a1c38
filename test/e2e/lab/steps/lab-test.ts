/** A test in a laboratory of its own; skipped with the reason where none can be opened, which fails under REQUIRE=all. */
import { type TestContext, test } from 'node:test';
import { type Lab, type LabSpec, missingForLab, openLab } from '../index.js';

const missing = missingForLab();

/** True where laboratories cannot be opened and that is allowed. */
export function skipReason(): string | false {
  if (missing === undefined || process.env['REQUIRE'] === 'all') return false;
  return missing;
}

/** Runs `body` in the laboratory of `spec`; where it fails, the daemons' logs follow. */
export function labTest(
  name: string,
  spec: LabSpec,
  body: (lab: Lab, t: TestContext) => Promise<void>,
  timeoutMs = 90_000,
): void {
  test(name, { skip: skipReason(), timeout: timeoutMs }, async (t) => {
    await using lab = await openLab(spec);
    try {
      await body(lab, t);
    } catch (error) {
      t.diagnostic(lab.logTails());
      throw error;
    }
  });
}
