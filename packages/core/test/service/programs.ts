/** Runs programs that judge service files, and says which of them are missing. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const SERVICE = fileURLToPath(new URL('../../service', import.meta.url));

export const read = (path: string): string => readFileSync(`${SERVICE}/${path}`, 'utf8');

export function isMissing(program: string): string | false {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return process.env['REQUIRE'] === 'all' ? false : `needs ${program}`;
  }
}

export function run(
  program: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  return new Promise((resolve) => {
    execFile(program, [...args], { encoding: 'utf8' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, text: `${stdout}${stderr}` });
    });
  });
}
