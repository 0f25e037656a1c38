/** `npm run demo [-- --record FILE.svg]`: two WireGuard hosts behind two NATs find each other through nothing but a folder, while you watch. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { drawTopology } from './demo/picture.mjs';
import { drawRecording } from './demo/recording.mjs';
import { createStory } from './demo/story.mjs';
import { namespaces, RUN_MARK, survivingProcesses } from './leftovers.mjs';
import { bold, cyan, dim, green, listen, red, say, yellow } from './say.mjs';
import { setUp } from './setup.mjs';

const STUN_SERVER = '203.0.113.1:3478';
const CONNECT_LIMIT_MS = 30_000;
const PINGS = 5;

const { values } = parseArgs({ options: { record: { type: 'string' } } });
/** @type {import('./demo/recording.mjs').Said[]} */
const said = [];

const mark = `demo-${process.pid}`;
process.env[RUN_MARK] = mark;

say(bold('stunmesh: a direct tunnel between two hosts behind NATs'));
say();
const { typeErrors, nativeErrors } = await setUp();
if (typeErrors) say(yellow('The sources have type errors (npm test shows them); going on with what was compiled.'));
if (nativeErrors) say(yellow(`The native addon was not built:\n${nativeErrors}`));

/** @type {typeof import('../e2e/lab/index.js')} */
const { openLab, missingForLab, until } = await import('../dist/e2e/lab/index.js');
const missing = missingForLab();
if (missing) {
  say(`The demo builds its little internet in network namespaces and ${missing}.`);
  if (process.getuid?.() !== 0) say('Run it as root:  sudo npm run demo');
  process.exit(1);
}

// What the machine is prepared with is no part of the story.
if (values.record !== undefined) listen((text) => said.push({ atMs: performance.now(), text }));

let interrupted = false;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    say(yellow(`\n${signal}: cleaning up`));
    process.exit(130);
  });

const lab = await openLab({
  sides: { a: { wireguard: { keepaliveSeconds: 25 } }, b: { wireguard: { keepaliveSeconds: 25 } } },
  handleSignals: false,
});
// The laboratory's own exit listener, which takes everything down, stands before this one.
process.on('exit', reportLeftovers);
const [a, b] = [lab.host('a'), lab.host('b')];
say(drawTopology(side(a), side(b), STUN_SERVER));
say();
try {
  await connect(lab, a, b);
  await showPings(a, b);
} catch (error) {
  process.exitCode = 1;
  say(red(error instanceof Error ? error.message : String(error)));
  say(dim(lab.logTails(3000)));
}
if (values.record !== undefined && process.exitCode === undefined) record(values.record);
for (const daemon of lab.daemons()) await daemon.stop();
await lab[Symbol.asyncDispose]();
process.exit();

/** The story so far as a picture that moves. @param {string} file */
function record(file) {
  const title =
    'The demo: two hosts behind two NATs find each other within seconds, and ping each other through a direct tunnel';
  const picture = drawRecording(said, { title, command: 'npm run demo' });
  writeFileSync(file, picture);
  say(dim(`recorded: ${file}, ${Math.round(picture.length / 1000)} kB`));
}

/** The last word, also after Ctrl-C: is the machine as it was? */
function reportLeftovers() {
  const ours = `-${process.pid.toString(36)}-`;
  const look = () => [
    ...[...namespaces()].filter((name) => name.includes(ours)).map((name) => `namespace ${name}`),
    ...survivingProcesses(mark).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...readdirSync(tmpdir())
      .filter((name) => name.includes(ours))
      .map((name) => `folder ${join(tmpdir(), name)}`),
  ];
  // A killed process takes a moment to go, and an exit listener cannot await.
  for (let tries = 0; tries < 20 && look().length > 0; tries++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  const left = look();
  say();
  if (left.length === 0) say(`${green('clean')}: no namespace, no process and no file of the demo is left`);
  else say(red(`left behind:\n${left.join('\n')}`));
  if (left.length > 0) process.exitCode = 1;
}

/** What the picture shows of a host. @param {typeof a} host */
function side(host) {
  const { name, publicAddress, tunnelAddress } = host;
  return { name, publicAddress, tunnelAddress, hostAddress: host.plan.hostAddress };
}

/**
 * Starts the STUN server and both daemons and tells what happens until both peers are connected.
 * @param {Awaited<ReturnType<typeof openLab>>} lab
 * @param {import('../e2e/lab/index.js').Host} a
 * @param {import('../e2e/lab/index.js').Host} b
 */
async function connect(lab, a, b) {
  const server = lab.spawn(lab.publicNamespace, [...lab.daemonCommand, 'stun-server', '--listen', STUN_SERVER]);
  await until(() => server.stdout.includes('listening') || !server.running, { what: 'the STUN server to listen' });
  if (!server.running) throw new Error(`the STUN server ended: ${server.stdout}${server.stderr}`);
  say(bold('two daemons start, one on each host'));
  const began = performance.now();
  const tell = (/** @type {string} */ host, /** @type {string} */ text) => {
    const time = `${((performance.now() - began) / 1000).toFixed(2).padStart(6)} s`;
    say(`${dim(time)}  ${host === 'a' ? cyan(host) : yellow(host)}  ${text}`);
  };
  const connected = [a, b].map(async (host) => {
    const daemon = await host.startDaemon({ stun: [STUN_SERVER] });
    const look = createStory(host.name, tell);
    const stream = await until(() => daemon.events(() => daemon.status().then(look, () => {})), {
      what: `the daemon of ${host.name} to answer`,
      pollMs: 20,
      deadlineMs: CONNECT_LIMIT_MS,
    });
    look(stream.first);
    await daemon.waitFor(
      (snapshot) => {
        look(snapshot);
        return snapshot.devices[0]?.peers.every(({ phase }) => phase === 'connected');
      },
      { what: `${host.name} to be connected`, deadlineMs: CONNECT_LIMIT_MS, pollMs: 50 },
    );
    stream[Symbol.dispose]();
  });
  await Promise.all(connected);
  say();
  say(bold('what lies in the folder: a name and a sealed record for each direction'));
  for (const name of readdirSync(lab.storeDir).filter((entry) => /^[0-9a-f]{40}/.test(entry)))
    say(`  ${name}  ${dim(`${readFileSync(join(lab.storeDir, name), 'latin1').slice(0, 28)}…`)}`);
}

/** @param {import('../e2e/lab/index.js').Host} a @param {import('../e2e/lab/index.js').Host} b */
async function showPings(a, b) {
  say();
  say(bold(`pings through the tunnel, from ${a.name} (${a.tunnelAddress}) to ${b.name} (${b.tunnelAddress})`));
  const argv = ['ping', '-n', '-c', String(PINGS), '-i', '0.2', '-W', '1', b.tunnelAddress];
  const { stdout } = await a.exec(argv, { timeoutMs: 20_000 });
  const times = [...stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms/g)];
  for (const [, sequence, time] of times) say(`  ${green('reply')} ${sequence}: ${time} ms`);
  if (times.length < PINGS) throw new Error(`only ${times.length} of ${PINGS} pings were answered`);
}
