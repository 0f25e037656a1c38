/** Is there a configuration, is it valid, and what in it deserves a word? */
import { isStunmeshError } from '../../api/index.js';
import type { Config } from '../../config/index.js';
import { count } from '../../runtime/terminal-text.js';
import type { DoctorContext } from '../context.js';
import { type Check, type Finding, fromError } from '../finding.js';

const check = 'configuration';

export const configurationCheck: Check<DoctorContext> = {
  name: check,
  async run({ parts }) {
    const { loaded } = parts;
    if (isStunmeshError(loaded)) return [{ check, verdict: 'fault', ...fromError(loaded) }];
    const { config, warnings } = loaded;
    const all = [...config.interfaces.values()];
    const peers = all.reduce((sum, entry) => sum + entry.peers.size, 0);
    const counts = [
      count(all.length, 'interface'),
      count(peers, 'peer'),
      count(config.plugins.size, 'plugin'),
      count(config.stun.addresses.length, 'STUN server'),
    ].join(', ');
    const findings: Finding[] = [{ check, verdict: 'ok', text: `${config.file}: valid (${counts})` }];
    findings.push(...(await weakFolders(parts.system, config)));
    for (const text of warnings)
      findings.push({
        check,
        verdict: 'warning',
        text,
        remedy: 'change the file there; `stunmesh config check` looks again.',
      });
    return findings;
  },
};

/** The daemon does not start where others may change what it writes (F71, F75). */
async function weakFolders(system: DoctorContext['parts']['system'], config: Config): Promise<readonly Finding[]> {
  const folders = [
    ['run_dir', config.runDir, 'ERR_RUN_DIR'],
    ['state_dir', config.stateDir, 'ERR_STATE'],
  ] as const;
  const found = await Promise.all(
    folders.map(async ([setting, path, code]): Promise<readonly Finding[]> => {
      const why = await system.whoMayChange(path);
      if (why === undefined) return [];
      const text = `${setting} ${path}: ${why}`;
      const remedy = `give it to the user that runs stunmesh alone (chown, chmod 700), or set ${setting} to another folder.`;
      return [{ check, verdict: 'fault', text, remedy, code }];
    }),
  );
  return found.flat();
}
