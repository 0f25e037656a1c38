/** Does a daemon serve each device, only one, and what does it complain of? */
import { join } from 'node:path';
import { formatAge, list } from '../../runtime/terminal-text.js';
import { VERSION } from '../../version.js';
import { wordsOf } from '../../wireguard/platform.js';
import type { DoctorContext } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';

const check = 'daemon';

export const daemonCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => (await Promise.all(context.interfaces.map(({ name }) => look(context, name)))).flat(),
};

async function look(context: DoctorContext, subject: string): Promise<readonly Finding[]> {
  const all = await context.daemons(subject);
  const running = all.flatMap(({ snapshot, device, path }) => (snapshot ? [{ snapshot, device, path }] : []));
  const findings: Finding[] = all.flatMap(({ error }) =>
    error === undefined ? [] : [{ check, subject, verdict: 'warning', ...fromError(error) }],
  );
  for (const { path } of all.filter(({ hidden }) => hidden))
    findings.push({
      check,
      subject,
      verdict: running.length > 0 ? 'warning' : 'note',
      text: `something in another file system, such as a container, serves ${path}`,
      remedy: 'if that is a stunmesh too, run doctor there, and let one of them alone serve this device.',
    });
  findings.push(
    ...(await holderOfState(
      context,
      subject,
      running.map(({ snapshot }) => snapshot.pid),
    )),
  );
  const [first] = running;
  if (!first) {
    if (findings.length > 0) return findings;
    const { service } = wordsOf(context.parts.system.platform);
    return [
      {
        check,
        subject,
        verdict: 'note',
        text: 'no stunmesh daemon runs for this device at the moment',
        remedy: `start it once the faults here are gone: ${service ? `\`${service.start}\`, or ` : ''}\`stunmesh\`.`,
      },
    ];
  }
  if (running.length > 1)
    findings.push({
      check,
      subject,
      verdict: 'fault',
      text: `${running.length} daemons serve this device and write over each other: ${list(
        running.map(({ snapshot, path }) => `process ${snapshot.pid} (${path})`),
      )}`,
      remedy: remedyOf('ERR_LOCKED'),
      code: 'ERR_LOCKED',
    });
  const { snapshot, device } = first;
  const about = `stunmesh ${snapshot.stunmesh} runs as process ${snapshot.pid}, for ${formatAge(
    context.parts.clock.wallNow() - snapshot.startedAt,
  )}`;
  findings.push({ check, subject, verdict: 'ok', text: about, details: { pid: snapshot.pid } });
  if (snapshot.stunmesh !== VERSION)
    findings.push({
      check,
      subject,
      verdict: 'warning',
      text: `the daemon is version ${snapshot.stunmesh}, this command is ${VERSION}`,
      remedy: remedyOf('ERR_CONTROL_PROTOCOL'),
      code: 'ERR_CONTROL_PROTOCOL',
    });
  for (const { of, code, message } of device?.errors ?? []) {
    // The check of the device sees that by itself.
    if (code === 'ERR_WG_DEVICE_DOWN') continue;
    findings.push({
      check,
      subject,
      verdict: 'warning',
      text: `the daemon's last error (${of}): ${message}`,
      remedy: remedyOf(code),
      code,
    });
  }
  return findings;
}

/** A daemon whose socket is not seen, in another run_dir or network namespace, holds the state all the same. */
async function holderOfState(
  context: DoctorContext,
  subject: string,
  known: readonly number[],
): Promise<readonly Finding[]> {
  if (!context.config) return [];
  const path = join(context.config.stateDir, `${subject}.lock`);
  const pid = await context.parts.system.lockHolder(path);
  if (pid === undefined || known.includes(pid)) return [];
  const lonely = known.length === 0;
  return [
    {
      check,
      subject,
      verdict: lonely ? 'warning' : 'fault',
      text: `process ${pid} serves this device${lonely ? '' : ' as well'}, with another run_dir or in another network namespace: it holds ${path}`,
      remedy: lonely
        ? `name that daemon's configuration by \`-c\`, or run doctor in its network namespace (\`nsenter -n -t ${pid}\`).`
        : remedyOf('ERR_LOCKED'),
      code: 'ERR_LOCKED',
      details: { pid },
    },
  ];
}
