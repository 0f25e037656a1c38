/** What port mapping costs in memory where it is on; where it is off nothing of it is loaded (the architecture test). */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const MOST_BYTES = 2 * 1_048_576;

/** Bytes that V8 and its buffers hold more once the second module is loaded behind the first. */
const PROGRAM = `
const turn = () => new Promise((resolve) => setImmediate(resolve));
const held = async () => {
  for (let i = 0; i < 5; i += 1) { await turn(); gc(); }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
await import(process.argv[1]);
const before = await held();
await import(process.argv[2]);
process.stdout.write(String((await held()) - before));
`;

test('loaded it holds less than 2 MiB more than a device without it', async () => {
  const modules = ['device-session.js', 'port-mapping/mapping-keeper.js'].map((name) =>
    import.meta.resolve(`#src/controllers/${name}`),
  );
  const argv = ['--expose-gc', '--input-type=module', '-e', PROGRAM, ...modules];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  assert.ok(Number(stdout) > 0 && Number(stdout) < MOST_BYTES, `${stdout} bytes`);
});
