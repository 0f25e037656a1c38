/** A systemd of a test's own, in namespaces of its own: it knows only the units that it is given, and dies with the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunResult, run, until } from '../../lab/index.js';

/** Where things are inside, for /tmp and /home are hidden from services. */
export const INSIDE = { node: '/mnt/node', repository: '/mnt/repository', etc: '/mnt/etc' } as const;

export interface ServiceManager extends AsyncDisposable {
  /** Runs a command inside, as root. */
  exec(argv: readonly string[]): Promise<RunResult>;
  systemctl(...args: readonly string[]): Promise<RunResult>;
  property(unit: string, name: string): Promise<string>;
}

export interface ServiceManagerOptions {
  /** By file name; DefaultDependencies=no is added, since nothing else of a system is there. */
  readonly units: Readonly<Record<string, string>>;
  /** Files in INSIDE.etc, by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly repository: string;
  /** Shell commands inside, before systemd starts. */
  readonly prepare?: string;
}

const SYSTEMD = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find((path) => existsSync(path));
const UNSHARE = ['unshare', '--mount', '--pid', '--net', '--uts', '--ipc', '--cgroup', '--fork', '--mount-proc'];
const TARGET = 'stunmesh-test.target';
const START_MS = 20_000;

export function missingForManager(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  return SYSTEMD === undefined ? 'needs systemd' : undefined;
}

/** What makes a small system out of new namespaces; nothing of it is seen outside. */
function script(folder: string, { repository, prepare = '' }: ServiceManagerOptions, hybrid: boolean): string {
  const cgroups = hybrid
    ? 'mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd'
    : 'mount -t cgroup2 cgroup2 /sys/fs/cgroup';
  return `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir ${INSIDE.etc} ${INSIDE.repository} /mnt/units
touch ${INSIDE.node}
mount --bind '${process.execPath}' ${INSIDE.node}
mount --bind '${repository}' ${INSIDE.repository}
cp -r '${folder}/units/.' /mnt/units
cp -r '${folder}/etc/.' ${INSIDE.etc}
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
umount -R /sys/fs/cgroup
${cgroups}
ip link set lo up
${prepare}
touch /run/console
mount --bind /run/console /dev/console
# As at boot: credentials reach a service by mounts that spread; to the outside nothing does, these groups are new.
mount --make-rshared /
export container=other SYSTEMD_UNIT_PATH=/mnt/units
exec ${SYSTEMD} --system --unit=${TARGET} --log-target=console`;
}

/** Rejects, and has left nothing, where systemd does not come up. */
export async function openServiceManager(options: ServiceManagerOptions): Promise<ServiceManager> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-systemd-'));
  for (const name of ['units', 'etc']) await mkdir(join(folder, name));
  for (const [name, text] of Object.entries(options.units))
    await writeFile(join(folder, 'units', name), text.replace('[Unit]\n', '[Unit]\nDefaultDependencies=no\n'));
  for (const [name, text] of Object.entries(options.files))
    await writeFile(join(folder, 'etc', name), text, { mode: 0o600 });
  await writeFile(join(folder, 'units', TARGET), '[Unit]\nDescription=test\nDefaultDependencies=no\n');

  // A control group of its own becomes the root of all that systemd makes, so that it can be removed as a whole.
  const hybrid = existsSync('/sys/fs/cgroup/systemd');
  const group = join(hybrid ? '/sys/fs/cgroup/systemd' : '/sys/fs/cgroup', `stunmesh-test-${process.pid}`);
  await mkdir(group);
  const enter = `echo $$ > ${group}/cgroup.procs && exec "$@"`;
  const argv = ['-c', enter, 'sh', ...UNSHARE, '--kill-child', 'sh', '-c', script(folder, options, hybrid)];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', ...argv], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await until(() => removeGroups(group), { what: 'the control groups to be empty' });
    await rm(folder, { recursive: true, force: true });
  };

  const first = async (): Promise<number | undefined> => {
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '');
    return Number(children.trim().split(' ')[0]) || undefined;
  };
  const exec = async (words: readonly string[]): Promise<RunResult> => {
    const pid = await first();
    if (pid === undefined) throw new Error(`systemd has ended: ${said}`);
    return run(undefined, ['nsenter', '-t', String(pid), '-m', '-u', '-i', '-n', '-p', ...words]);
  };
  const systemctl = (...args: readonly string[]) => exec(['systemctl', '--no-pager', ...args]);
  try {
    await until(async () => (await first()) !== undefined && (await systemctl('is-active', TARGET)).code === 0, {
      what: 'systemd to come up',
      deadlineMs: START_MS,
    });
  } catch (error) {
    await close();
    throw new Error(`${String(error)}: ${said}`);
  }
  return {
    exec,
    systemctl,
    property: async (unit, name) => (await systemctl('show', '-p', name, '--value', unit)).stdout.trim(),
    [Symbol.asyncDispose]: close,
  };
}

/** Deepest first; false while some process is still ending. */
async function removeGroups(group: string): Promise<boolean> {
  const entries = await readdir(group, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory() && !(await removeGroups(join(group, entry.name)))) return false;
  return rmdir(group).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}
