/** The manual page stunmesh(1), made from the commands and the configuration's schema; manual.mjs writes it at build time. */
import type { Command } from 'commander';
import { configFile, foldersOf } from '../config/folders.js';
import { referenceRows } from '../config/reference.js';
import { VERSION } from '../version.js';

/** man(7) source. */
export function formatManual(program: Command): string {
  return `${[
    `.TH STUNMESH 1 "" "stunmesh ${VERSION}" "User Commands"`,
    ...section('NAME', 'stunmesh \\- direct WireGuard tunnels between machines behind NAT'),
    ...section('SYNOPSIS', ...SYNOPSIS.map((line) => `.B ${text(line)}\n.br`)),
    ...section('DESCRIPTION', ...DESCRIPTION.map(paragraph)),
    ...section('OPTIONS', ...optionsOf(program)),
    ...section('COMMANDS', ...program.commands.flatMap((command) => commandOf(command, []))),
    ...section('CONFIGURATION', ...CONFIGURATION.map(paragraph), ...referenceRows().map(keyOf)),
    ...section('SIGNALS', ...SIGNALS.map(([name, meaning]) => item(name, meaning))),
    ...section('EXIT STATUS', ...EXITS.map(([code, meaning]) => item(code, meaning))),
    ...section('FILES', ...FILES.map(([name, meaning]) => item(name, meaning))),
    ...section('SEE ALSO', '.BR wg (8),\n.BR wg-quick (8)'),
  ].join('\n')}\n`;
}

const SYNOPSIS = ['stunmesh [options]', 'stunmesh command [options]'];
const DESCRIPTION = [
  'Runs beside WireGuard and sets the endpoints of peers that sit behind NATs. It asks STUN servers for the public address of ' +
    "WireGuard's own port, leaves it sealed for each peer in a store, reads what the peers left there, and watches the tunnels.",
  'Without a command it runs until it is told to stop. It needs root, or on Linux CAP_NET_ADMIN and CAP_NET_RAW.',
];
/** The page is made once for all systems. */
const LINUX = foldersOf('linux');
const BSD = foldersOf('freebsd');
const CONFIGURATION = [
  'YAML, in the first of these that there is: the file of --config; config.yaml or config.yml in the folder of --config-dir or, ' +
    `without that, in the folder that STUNMESH_CONFIG_DIR names, in ${LINUX.config.join(', ')} (FreeBSD and macOS: ${BSD.config.join(', ')}), ` +
    'in ~/.stunmesh, in the working directory.',
  'NAME, PEER and VARIABLE stand for names of your choice.',
];
const SIGNALS = [
  ['SIGHUP', 'Reads the configuration again. A file that is not valid changes nothing and is named in the log.'],
  ['SIGTERM, SIGINT', 'Ends the daemon within two seconds; a second one ends it at once. Tunnels stay as they are.'],
] as const;
const EXITS = [
  ['0', 'All went well; with --oneshot: every peer is connected.'],
  ['1', 'Something failed; with --oneshot: a peer is not connected.'],
  ['2', 'Wrong use, or a configuration that is not valid.'],
] as const;
const FILES = [
  [
    `${configFile('linux')}, ${configFile('freebsd')}`,
    'The configuration: Linux; FreeBSD and macOS. The same order below.',
  ],
  [`${LINUX.run}/DEVICE.sock, ${BSD.run}/DEVICE.sock`, 'The control socket that stunmesh status reads.'],
  [`${LINUX.state}/DEVICE.json, ${BSD.state}/DEVICE.json`, 'What survives a restart. It may be deleted at any time.'],
] as const;

function section(name: string, ...lines: readonly string[]): string[] {
  return [`.SH ${name}`, ...lines];
}

function commandOf(command: Command, path: readonly string[]): string[] {
  const words = [...path, command.name()];
  if (command.commands.length > 0) return command.commands.flatMap((sub) => commandOf(sub, words));
  const named = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  return [
    `.SS ${text(['stunmesh', ...words, ...named].join(' '))}`,
    paragraph(sentence(command.description())),
    ...optionsOf(command),
  ];
}

function optionsOf(command: Command): string[] {
  return command.options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description }) => item(flags, sentence(description)));
}

function keyOf([key, type, fallback, meaning]: readonly [string, string, string, string]): string {
  const plain = (markdown: string): string => markdown.replaceAll('`', '');
  const note = fallback === '' ? type : fallback === 'required' ? `${type}; required` : `${type}; default ${fallback}`;
  return item(plain(key), `${plain(meaning)} (${plain(note)})`);
}

function item(term: string, meaning: string): string {
  return `.TP\n.B ${text(term)}\n${text(meaning)}`;
}

function paragraph(words: string): string {
  return `.PP\n${text(words)}`;
}

function sentence(words: string): string {
  const first = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Text as man(7) wants it: backslashes and hyphens escaped, no line that begins as a request. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replace(/^(?=[.'])/gm, '\\&');
}
