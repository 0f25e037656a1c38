/** `stunmesh completion SHELL`: a script that completes commands, options and their words, for bash, zsh and fish. */
import { Argument, type Command } from 'commander';
import type { CliContext } from './context.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', `\n${INSTALL}`)
    .action((shell: Shell) => context.stdout(formatCompletion(program, shell)));
}

const INSTALL = `bash: stunmesh completion bash > /etc/bash_completion.d/stunmesh
zsh:  stunmesh completion zsh > /usr/share/zsh/site-functions/_stunmesh
fish: stunmesh completion fish > /etc/fish/completions/stunmesh.fish`;

/** A place in the tree of commands: the words that lead there and what may follow. */
interface Place {
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly long: string;
    readonly short: string | undefined;
    readonly description: string;
    /** Words it takes; empty: any text, a file as a rule; undefined: it takes none. */
    readonly words: readonly string[] | undefined;
  }[];
  /** Words of its first argument. */
  readonly words: readonly string[];
}

function placesOf(command: Command, path: readonly string[] = []): Place[] {
  const place: Place = {
    path,
    commands: command.commands.map((sub) => ({ name: sub.name(), description: sub.description() })),
    options: command.options.flatMap((option) => {
      const words = option.required || option.optional ? (option.argChoices ?? []) : undefined;
      return option.long == null || option.hidden
        ? []
        : [{ long: option.long, short: option.short, description: option.description, words }];
    }),
    words: command.registeredArguments[0]?.argChoices ?? [],
  };
  return [place, ...command.commands.flatMap((sub) => placesOf(sub, [...path, sub.name()]))];
}

/** The script as text; made from the tree of commands, so that it never lags behind. */
export function formatCompletion(program: Command, shell: Shell): string {
  const places = placesOf(program);
  return { bash: formatBash, zsh: formatZsh, fish: formatFish }[shell](places);
}

const wordsAt = (place: Place): string =>
  [...place.commands.map(({ name }) => name), ...place.words, ...place.options.map(({ long }) => long), '--help'].join(
    ' ',
  );

/** Words that are no options say where we are; both shells find the place in the same way. */
const FIND_PLACE = `  local place= word
  for word in "\${before[@]}"; do
    case "$place $word" in
@COMMANDS@
    esac
  done`;

function findPlace(places: readonly Place[]): string {
  const commands = places.flatMap(({ path }) =>
    path.length === 0
      ? []
      : [`      '${[path.slice(0, -1).join(' '), path.at(-1)].join(' ')}') place='${path.join(' ')}' ;;`],
  );
  return FIND_PLACE.replace('@COMMANDS@', commands.join('\n'));
}

/** The case lines that turn the place and the word before the cursor into the words that fit. */
function wordCases(places: readonly Place[]): string {
  const afterOption = places.flatMap(({ path, options }) =>
    options.flatMap(({ long, short, words }) => {
      if (words === undefined) return [];
      const spellings = [long, ...(short === undefined ? [] : [short])].map((text) => `'${path.join(' ')}|${text}'`);
      return [`    ${spellings.join('|')}) words='${words.join(' ')}' files=${words.length === 0 ? 1 : 0} ;;`];
    }),
  );
  const here = places.map(
    (place) => `    '${place.path.join(' ')}|'*) words='${wordsAt(place)}' files=${place.path.length > 0 ? 1 : 0} ;;`,
  );
  return [...afterOption, ...here].join('\n');
}

function formatBash(places: readonly Place[]): string {
  return `# bash completion for stunmesh; made by "stunmesh completion bash"
_stunmesh() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words= files=0
  local before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${findPlace(places)}
  case "$place|$previous" in
${wordCases(places)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ \${#COMPREPLY[@]} -eq 0 ] && [ "$files" = 1 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _stunmesh stunmesh
`;
}

function formatZsh(places: readonly Place[]): string {
  return `#compdef stunmesh
# zsh completion for stunmesh; made by "stunmesh completion zsh"
_stunmesh() {
  local previous="\${words[CURRENT-1]}" files=0
  local -a before=("\${(@)words[2,CURRENT-1]}")
  local -a line=("\${words[@]}")
${findPlace(places)}
  local words=
  case "$place|$previous" in
${wordCases(places)}
  esac
  compadd -- \${(s: :)words}
  if [[ $files = 1 ]]; then _files; fi
}
_stunmesh "$@"
`;
}

function formatFish(places: readonly Place[]): string {
  const quote = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
  const lines = places.flatMap(({ path, commands, options, words }) => {
    const where =
      path.length === 0
        ? '__fish_use_subcommand'
        : [
            ...path.map((name) => `__fish_seen_subcommand_from ${name}`),
            ...(commands.length === 0
              ? []
              : [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`]),
          ].join('; and ');
    const start = `complete -c stunmesh -n ${quote(where)}`;
    return [
      ...commands.map(({ name, description }) => `${start} -f -a ${name} -d ${quote(description)}`),
      ...words.map((word) => `${start} -f -a ${word}`),
      ...options.map(({ long, short, description, words: taken }) => {
        const value = taken === undefined ? '' : taken.length === 0 ? ' -r' : ` -x -a ${quote(taken.join(' '))}`;
        const letter = short === undefined ? '' : ` -s ${short.slice(1)}`;
        return `${start} -l ${long.slice(2)}${letter}${value} -d ${quote(description)}`;
      }),
    ];
  });
  return `# fish completion for stunmesh; made by "stunmesh completion fish"\n${lines.join('\n')}\n`;
}
