/** Runs what is wrong with a host, case by case: each is named once, graded, with its remedy and code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '#src/doctor/finding.js';
import { createHarness, type Harness, trouble } from './harness.js';

export interface Case {
  readonly what: string;
  change(harness: Harness): void;
  readonly named: readonly [check: string, verdict: Finding['verdict'], text: RegExp];
  readonly remedy?: RegExp;
  readonly code?: string;
}

export function testCases(cases: readonly Case[]): void {
  for (const { what, change, named, remedy, code } of cases) {
    test(`${what} is named`, async (t) => {
      const harness = createHarness(t);
      change(harness);
      const findings = await harness.examine();
      const [check, verdict, text] = named;
      const matching = findings.filter((f) => f.check === check && f.verdict === verdict && text.test(f.text));
      assert.equal(matching.length, 1, `${check} ${verdict} ${text} among\n${trouble(findings, true).join('\n')}`);
      if (remedy) assert.match(matching[0]?.remedy ?? '', remedy);
      if (code !== undefined) assert.equal(matching[0]?.code, code);
      const graded = findings.filter((f) => f.verdict === 'warning' || f.verdict === 'fault');
      for (const finding of graded) assert.ok(finding.remedy, `${finding.check}: ${finding.text} has a remedy`);
    });
  }
}
