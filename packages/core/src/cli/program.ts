/** All commands of `stunmesh` with their options: what main runs, and what the manual and the completions are made from. */
import { Command, Help, type Option } from 'commander';
import { VERSION } from '../version.js';
import { addCleanupCommand } from './cleanup.js';
import { addCompletionCommand } from './completion.js';
import { addConfigCommand } from './config.js';
import type { CliContext } from './context.js';
import { addDoctorCommand } from './doctor.js';
import { addExplainCommand } from './explain.js';
import { addInitCommand } from './init.js';
import { addPluginCommand } from './plugin.js';
import { addReloadCommand } from './reload.js';
import { addRunCommand } from './run.js';
import { addStatusCommand } from './status.js';
import { addStunServerCommand } from './stun-server.js';

export function createProgram(context: CliContext): Command {
  const program = new Command('stunmesh')
    .description('Direct WireGuard tunnels between machines behind NAT.')
    .version(VERSION, '--version', 'print the version')
    .configureHelp({ optionDescription: describeOption })
    .configureOutput({
      writeOut: (text) => context.stdout(text),
      writeErr: (text) => context.stderr(text),
      getOutHelpWidth: () => context.columns ?? 80,
    })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError()
    .exitOverride();
  addRunCommand(program, context);
  addStatusCommand(program, context);
  addDoctorCommand(program, context);
  addExplainCommand(program, context);
  addReloadCommand(program, context);
  addCleanupCommand(program, context);
  addInitCommand(program, context);
  addConfigCommand(program, context);
  addPluginCommand(program, context);
  addStunServerCommand(program);
  addCompletionCommand(program, context);
  program
    .command('version')
    .description('print the version')
    .action(() => context.stdout(`${VERSION}\n`));
  return program;
}

/** As commander has it, without a default that is an empty list. */
function describeOption(option: Option): string {
  const empty = Array.isArray(option.defaultValue) && option.defaultValue.length === 0;
  return empty ? option.description : Help.prototype.optionDescription.call(new Help(), option);
}
