/** Doctor and the daemon's own words before a router that maps ports. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { daemonConfig, type Host, REPOSITORY, sleep, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { startRouter } from './steps/router.js';

/** What doctor says of port mapping. */
async function examine(host: Host, configFile: string): Promise<readonly { verdict: string; text: string }[]> {
  const main = join(REPOSITORY, 'packages/core/dist/cli/main.js');
  const { stdout } = await host.exec([process.execPath, main, 'doctor', '--json', '-c', configFile], {
    timeoutMs: 60_000,
  });
  const { findings } = JSON.parse(stdout) as { findings: { check: string; verdict: string; text: string }[] };
  return findings.filter(({ check }) => check === 'portmap');
}

async function residentKib({ pid }: { readonly pid: number }): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

labTest(
  'doctor says what port mapping would do and leaves none; the daemon maps, tells, keeps what it needs, and takes a reload',
  { sides: { a: { nats: ['symmetric'] }, b: { nats: ['symmetric'] } }, coturn: [1, 2] },
  async (lab, t) => {
    const host = lab.host('a');
    const router = await startRouter(lab, host);
    const file = join(lab.dir, host.name, 'doctor.yaml');
    await writeFile(file, JSON.stringify(daemonConfig(host, lab)));
    const [told] = await examine(host, file);
    assert.match(told?.text ?? 'nothing', /maps ports by PCP: `port_mapping: auto` would make/);
    assert.doesNotMatch(await router.rules(), /dnat/);

    const daemon = await host.startDaemon({ device: { port_mapping: 'auto' } });
    const state = (wanted: string) =>
      daemon.waitFor((snapshot) => snapshot.devices[0]?.portMapping?.state === wanted, { what: `"${wanted}"` });
    await state('mapped');
    const stateFile = join(host.stateDir, `${host.device}.json`);
    const portmap = await until(
      async () => JSON.parse(await readFile(stateFile, 'utf8').catch(() => '{}')).portmap as object | undefined,
      { what: 'the mapping in the state file' },
    );
    assert.deepEqual(Object.keys(portmap), ['protocol', 'gateway', 'nonce', 'port', 'internal']);
    assert.deepEqual(
      (await examine(host, daemon.configFile)).map(({ verdict }) => verdict),
      ['ok'],
    );
    assert.equal((await router.rules()).match(/dnat/g)?.length, 1);

    const text = await readFile(daemon.configFile, 'utf8');
    const plain = await lab.host('b').startDaemon();
    await plain.waitFor((snapshot) => snapshot.devices[0]?.reflexive.ipv4, { what: 'its address' });
    await sleep(3_000);
    const [more, less] = await Promise.all([daemon, plain].map(residentKib));
    t.diagnostic(`resident with port mapping ${more} KiB, without ${less} KiB`);
    await daemon.reload(JSON.parse(text.replace('"auto"', '"off"')));
    await daemon.waitFor((snapshot) => snapshot.devices[0]?.portMapping === undefined, { what: 'it to be off' });
    await until(async () => !(await router.rules()).includes('dnat'), { what: 'the port to be given back' });
    await daemon.reload(JSON.parse(text));
    await state('mapped');
  },
);
