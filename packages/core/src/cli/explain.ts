/** `stunmesh explain CODE`: cause and remedy of an error code, from the texts of docs/errors.md that the build puts beside the program. */
import { Argument, type Command } from 'commander';
import type { CliContext } from './context.js';

export function addExplainCommand(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('say what an error code means and what to do about it')
    .addArgument(new Argument('[code]', 'such as ERR_STUN_NO_RESPONSE; none: list them all'))
    .action((code: string | undefined) => explain(context, code));
}

async function explain(context: CliContext, code: string | undefined): Promise<void> {
  const [{ default: texts }, { wrap }, { suggest }, { StunmeshError }] = await Promise.all([
    import('#error-texts'),
    import('../runtime/terminal-text.js'),
    import('../config/suggest.js'),
    import('../api/index.js'),
  ]);
  const width = context.columns ?? 80;
  if (code === undefined) {
    context.stdout(`${Object.keys(texts).join('\n')}\n`);
    return;
  }
  const wanted = /^ERR_/i.test(code) ? code.toUpperCase() : `ERR_${code.toUpperCase()}`;
  const text = texts[wanted];
  if (text === undefined) {
    const near = suggest(wanted, Object.keys(texts));
    throw new StunmeshError(
      'ERR_USAGE',
      `"${code}" is no error code; "stunmesh explain" lists them all${near === undefined ? '' : `; did you mean "${near}"?`}`,
    );
  }
  const lines = [wanted, ...text.flatMap((paragraph) => ['', ...wrap(paragraph, width)])];
  context.stdout(`${lines.join('\n')}\n`);
}
