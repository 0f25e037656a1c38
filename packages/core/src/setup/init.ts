/** `stunmesh init`: devices in, a checked configuration and the next steps out. */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { isStunmeshError, StunmeshError } from '../api/index.js';
import { removeFile } from '../runtime/remove-file.js';
import { type Asker, rememberAnswers } from './ask.js';
import { dropInFor, writeDropIn } from './drop-in.js';
import { formatConfig } from './format-config.js';
import type { FoundDevice } from './found-device.js';
import { formatNextSteps } from './next-steps.js';
import { type FoundRouter, makePlan, type Plan, type PlanFlags } from './plan.js';
import { alreadyThere, type NewFile, openNewFile } from './write-files.js';

export interface InitOptions {
  readonly devices: readonly FoundDevice[];
  readonly flags: PlanFlags;
  /** Absent: there is nobody to ask. */
  readonly asker?: Asker;
  /** The router that maps ports, where one answers; only called where somebody is asked. Never rejects. */
  findRouter?(): Promise<FoundRouter | undefined>;
  /** The configuration to write, absolute or from `cwd`. */
  readonly output: string;
  readonly cwd: string;
  readonly force: boolean;
  /** Looks at the written file as the daemon would; resolves with remarks, rejects where it would not start. */
  check(file: string): Promise<readonly string[]>;
}

/** Writes the configuration (and the store's secret beside it) and resolves with what to tell the user.
 * Errors: ERR_USAGE, ERR_CONFIG_WRITE, those of `check`; then nothing was written. */
export async function initialise(options: InitOptions): Promise<string> {
  const { force, cwd } = options;
  const path = resolve(cwd, options.output);
  // Before anybody answers questions for nothing; what counts is the look at the end.
  if (!force && existsSync(path)) throw new StunmeshError('ERR_USAGE', alreadyThere(path));
  const flags = absoluteFile(options.flags, cwd);
  const asker = options.asker && rememberAnswers(options.asker);
  // Once, however often it is asked for.
  let found: Promise<FoundRouter | undefined> | undefined;
  const router = async () => (found ??= options.findRouter?.() ?? Promise.resolve(undefined));
  for (;;) {
    const plan = await makePlan(options.devices, flags, asker, router);
    const { secret, name } = plan.store;
    const secretPath = secret ? join(dirname(path), `${name}-${secret.key.replace(/_file$/, '')}`) : undefined;
    await using config = await openNewFile(path, formatConfig(plan, secretPath));
    try {
      const remarks = [...(await options.check(config.path)), ...missingSecret(plan)];
      await place(config, plan, secretPath, force);
      const dropIn = dropInFor(plan, process.platform);
      const dropInPath = dropIn === undefined ? undefined : await writeDropIn(dropIn, path);
      return formatNextSteps(plan, {
        path,
        ...(secretPath === undefined ? {} : { secretPath }),
        ...(dropInPath === undefined ? {} : { dropInPath }),
        remarks,
      });
    } catch (error) {
      // Somebody is there to answer once more; what was answered stands as the default.
      if (!asker || !isStunmeshError(error) || !/^ERR_(CONFIG_INVALID|PLUGIN)/.test(error.code)) throw error;
      asker.tell(`  ${error.message}\n  Once more; Enter keeps an answer.`);
    }
  }
}

async function place(config: NewFile, plan: Plan, secretPath: string | undefined, force: boolean): Promise<void> {
  await using kept =
    secretPath === undefined ? undefined : await openNewFile(secretPath, `${plan.store.secret?.text ?? ''}\n`);
  await kept?.place(force);
  try {
    await config.place(force);
  } catch (error) {
    // The secret alone would stand in the way of the next try.
    if (secretPath !== undefined && !force) await removeFile(secretPath).catch(() => undefined);
    throw error;
  }
}

function missingSecret({ store: { kind, settings } }: Plan): readonly string[] {
  const file = kind.secret && settings[kind.secret.file];
  if (typeof file !== 'string' || !isAbsolute(file) || existsSync(file)) return [];
  return [`${file} is not there yet; put the ${kind.secret?.word} into it (chmod 600)`];
}

/** A secret's file is looked for from the daemon's folder later: the path is made absolute, unless it is a credential's bare name. */
function absoluteFile(flags: PlanFlags, cwd: string): PlanFlags {
  const { secretFile } = flags;
  return secretFile?.includes('/') ? { ...flags, secretFile: resolve(cwd, secretFile) } : flags;
}
