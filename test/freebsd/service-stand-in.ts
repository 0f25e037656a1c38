/** The rc.d script of FreeBSD in a folder in the place of the system's, under stand-ins for rc.subr(8), daemon(8) and pwait(1). */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY, run, until } from '../e2e/lab/index.js';

export const RC_SCRIPT = join(REPOSITORY, 'packages/core/service/freebsd/stunmesh');
const FIXTURES = join(REPOSITORY, 'test/fixtures/freebsd');
const PATIENCE_MS = 20_000;

export type Release = 13 | 14 | 15;
export const RELEASES: readonly Release[] = [13, 14, 15];

/** The script with its paths below `folder`; those of /usr/local lie there already where it was installed. */
export function relocate(script: string, folder: string): string {
  return script
    .replace('. /etc/rc.subr', `. ${FIXTURES}/rc.subr`)
    .replace('"/usr/sbin/daemon"', `"${folder}/bin/daemon"`)
    .replaceAll('=/usr/local', `=${folder}/usr/local`)
    .replaceAll(/(?<![\w/.])\/var\/(run|db|log)/g, `${folder}/var/$1`);
}

export class Service implements AsyncDisposable {
  readonly folder: string;
  readonly #release: Release;

  /** `settings`: lines of rc.conf in which FAKE is the folder. */
  constructor(release: Release, settings: readonly string[], script = readFileSync(RC_SCRIPT, 'utf8')) {
    this.#release = release;
    this.folder = mkdtempSync(join(tmpdir(), 'rcd-'));
    for (const name of ['bin', 'var/run', 'var/db', 'var/log', 'rc.d']) mkdirSync(this.path(name), { recursive: true });
    symlinkSync(join(FIXTURES, 'daemon.mjs'), this.path('bin/daemon'));
    symlinkSync(join(FIXTURES, 'pwait.sh'), this.path('bin/pwait'));
    this.configure('plugins: {}\n');
    this.put('rc.conf', settings.join('\n').replaceAll('FAKE', this.folder));
    this.put('rc.d/stunmesh', relocate(script, this.folder));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  put(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  configure(text: string): void {
    this.put('config.yaml', text);
  }

  /** What service(8) does: the script with an environment that has next to nothing in it. */
  async call(word: string): Promise<{ readonly code: number; readonly text: string }> {
    const node = process.execPath.replace(/\/[^/]+$/, '');
    const env = [
      `PATH=${this.path('bin')}:/sbin:/bin:/usr/sbin:/usr/bin:${node}`,
      `RC_RELEASE=${this.#release}`,
      `RC_CONF=${this.path('rc.conf')}`,
      // Processes that outlive a run are looked for by this mark, files by their folder.
      ...Object.entries(process.env).flatMap(([name, value]) =>
        /^(STUNMESH_|TMPDIR)/.test(name) ? [`${name}=${value}`] : [],
      ),
    ];
    const command = ['env', '-i', ...env, 'sh', this.path('rc.d/stunmesh'), word];
    const { code, stdout, stderr } = await run(undefined, command, { timeoutMs: PATIENCE_MS });
    return { code: code ?? -1, text: `${stdout}${stderr}` };
  }

  get log(): string {
    const file = this.path('log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** The log once `pattern` is in it. */
  async logged(pattern: RegExp): Promise<string> {
    return until(() => pattern.test(this.log) && this.log, { deadlineMs: PATIENCE_MS, what: `${pattern} in the log` });
  }

  /** The process that runs now. */
  pid(file = 'var/run/stunmesh-child.pid'): number {
    return Number(readFileSync(this.path(file), 'utf8'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of ['var/run/stunmesh.pid', 'var/run/stunmesh-child.pid'])
      if (existsSync(this.path(file))) end(this.pid(file));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a process is there; a zombie is not. */
export function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

function end(pid: number): void {
  if (pid > 0 && lives(pid)) process.kill(pid, 'SIGKILL');
}
