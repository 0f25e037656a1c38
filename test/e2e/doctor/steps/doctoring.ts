/** Runs `stunmesh doctor` on a host of the laboratory and finds what it said. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonConfigOptions, daemonConfig, type Host, type Lab, REPOSITORY } from '../../lab/index.js';

export interface Finding {
  readonly check: string;
  readonly subject?: string;
  readonly verdict: 'ok' | 'note' | 'warning' | 'fault';
  readonly text: string;
  readonly remedy?: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Examination {
  readonly code: number | null;
  readonly stdout: string;
  readonly findings: readonly Finding[];
}

export const DOCTOR: readonly string[] = [
  process.execPath,
  join(REPOSITORY, 'packages/core/dist/cli/main.js'),
  'doctor',
];

let configs = 0;

/** Writes a configuration for doctor alone. */
export async function doctorConfig(lab: Lab, host: Host, options: DaemonConfigOptions = {}): Promise<string> {
  configs += 1;
  const file = join(lab.dir, host.name, `doctor-${configs}.yaml`);
  await writeFile(file, `${JSON.stringify(daemonConfig(host, lab, options))}\n`);
  return file;
}

/** `wrap` comes before the command, such as setpriv with its flags. */
export async function examine(
  host: Host,
  configFile: string,
  options: {
    readonly wrap?: readonly string[];
    readonly args?: readonly string[];
  } = {},
): Promise<Examination> {
  const argv = [...(options.wrap ?? []), ...DOCTOR, '--json', '-c', configFile, ...(options.args ?? [])];
  const { code, stdout, stderr } = await host.exec(argv, {
    timeoutMs: 60_000,
  });
  assert.equal(stderr, '');
  const report = JSON.parse(stdout) as { readonly exitStatus: number; readonly findings: readonly Finding[] };
  assert.equal(code, report.exitStatus);
  return { code, stdout, findings: report.findings };
}

export interface Expected {
  readonly check: string;
  readonly verdict: Finding['verdict'];
  readonly text: RegExp;
  readonly remedy: RegExp;
  readonly code?: string;
  readonly subject?: string;
}

/** The fault is named, graded, and answered with its remedy. */
export function expectNamed({ findings }: Examination, expected: Expected): void {
  const matching = findings.filter(
    ({ check, verdict, text, subject }) =>
      check === expected.check &&
      verdict === expected.verdict &&
      expected.text.test(text) &&
      (expected.subject === undefined || subject === expected.subject),
  );
  const said = findings.filter(({ verdict }) => verdict !== 'ok').map((finding) => JSON.stringify(finding));
  assert.equal(matching.length, 1, `${expected.check} ${expected.verdict} ${expected.text} among\n${said.join('\n')}`);
  assert.match(matching[0]?.remedy ?? '', expected.remedy);
  if (expected.code !== undefined) assert.equal(matching[0]?.code, expected.code);
}
