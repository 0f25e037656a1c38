/** Findings as text of 80 columns for people, and as JSON for programs. */
import { count, wrap } from '../runtime/terminal-text.js';
import { type CheckName, exitStatus, type Finding, type Verdict, worstOf } from './finding.js';

const COLUMNS = 80;
/** Two spaces, the longest verdict, two spaces. */
const INDENT = 11;

const TITLES: Readonly<Record<CheckName, string>> = {
  configuration: 'Configuration',
  privileges: 'Privileges',
  wireguard: 'WireGuard',
  capture: 'Raw sockets',
  device: 'Devices',
  daemon: 'Daemon',
  route: 'Routes',
  stun: 'STUN servers',
  nat: 'NAT',
  portmap: 'Port mapping',
  clock: 'Clock',
  store: 'Stores',
  peer: 'Peers',
};

/** ECMA-48 colours: verdicts differ by their words as well. */
const COLOURS: Readonly<Record<Verdict, string>> = { ok: '32', note: '36', warning: '33', fault: '31' };

export interface TextOptions {
  readonly colour: boolean;
}

/** One group with its title; empty where it has no findings. Lines of at most 80 columns, but for words that are longer. */
export function formatGroup(findings: readonly Finding[], { colour }: TextOptions): string {
  const [first] = findings;
  if (!first) return '';
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines = findings.flatMap((finding) => {
    const { verdict, subject, text, remedy, code } = finding;
    const said = printable(
      `${subject === undefined ? '' : `${subject}: `}${text}${code === undefined ? '' : ` [${code}]`}`,
    );
    const body = wrap(said, COLUMNS - INDENT);
    const help = remedy === undefined ? [] : wrap(printable(`do: ${remedy}`), COLUMNS - INDENT, 4);
    const margin = ' '.repeat(INDENT);
    return [
      ...body.map((line, i) => (i === 0 ? `  ${paint(COLOURS[verdict], verdict.padEnd(INDENT - 2))}` : margin) + line),
      ...help.map((line) => margin + paint('1', line)),
    ];
  });
  return `${[paint('1', TITLES[first.check]), ...lines].join('\n')}\n`;
}

/** Names and texts of others reach a terminal as text alone; line breaks of ours stay. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, ' ');
}

/** The last line: what there is in all, and the exit status that follows. */
export function formatSummary(findings: readonly Finding[], { colour }: TextOptions): string {
  const number = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  const [faults, warnings] = [number('fault'), number('warning')];
  const parts = [
    ...(faults > 0 ? [count(faults, 'fault')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  const text = parts.length === 0 ? 'All is well.' : `${parts.join(', ')}.`;
  const painted = colour ? `\u001b[${COLOURS[worstOf(findings)]}m${text}\u001b[0m` : text;
  return `${painted} Exit status ${exitStatus(findings)}.\n`;
}

export interface Report {
  readonly version: 1;
  readonly stunmesh: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly verdict: Verdict;
  readonly exitStatus: 0 | 1 | 2;
  readonly findings: readonly Finding[];
}

export function createReport(findings: readonly Finding[], stunmesh: string, at: number): Report {
  return { version: 1, stunmesh, at, verdict: worstOf(findings), exitStatus: exitStatus(findings), findings };
}
