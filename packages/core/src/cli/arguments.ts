/** Accepts flags with one dash as well as with two ("-oneshot", "-config=FILE"), as older set-ups write them. */

const LONG_FLAGS = new Set([
  'oneshot',
  'version',
  'config',
  'config-dir',
  'timeout',
  'log-level',
  'log-format',
  'help',
]);

export function normaliseArguments(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  const fixed = flags.map((argument) => {
    const match = /^-([a-z][a-z-]+)(=.*)?$/.exec(argument);
    return match?.[1] !== undefined && LONG_FLAGS.has(match[1]) ? `-${argument}` : argument;
  });
  // The flag package of the older program writes switches as -oneshot=true too.
  const switches = fixed.map((argument) => argument.replace(/^--(oneshot|version)=(true|1)$/, '--$1'));
  return [
    ...switches.filter((argument) => !/^--(oneshot|version)=(false|0)$/.test(argument)),
    ...(end < 0 ? [] : argv.slice(end)),
  ];
}
