/** The far side of a namespace test: a namespace behind veth pairs that lives as long as its process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../../api/index.js';
import type { FarOrder, FarReport } from './far-process.js';
import { addAddress, run } from './namespace.js';

/** A veth pair, of one name on both sides. */
export interface Link {
  readonly name: string;
  /** With prefix length, "192.0.2.1/24". */
  readonly near: readonly string[];
  readonly far: readonly string[];
}

export interface FarSide extends AsyncDisposable {
  /** Sends from its UDP socket on that address. */
  send(from: string, message: Uint8Array, to: Endpoint): Promise<void>;
  /** The next UDP datagram at any of its sockets, in order. */
  received(): Promise<Extract<FarReport, { kind: 'received' }>>;
  /** The next packet that it watched, in order. */
  seen(): Promise<Extract<FarReport, { kind: 'seen' }>>;
  /** One more UDP socket, on an address that it has. */
  listen(address: string, port: number): Promise<void>;
  /** Runs one command over there. */
  run(command: string): Promise<void>;
  /** Makes a veth pair, or makes it again, with addresses and a UDP socket on each far one. */
  connect(link: Link, port: number): Promise<void>;
}

/** `program`: a module's URL that calls runFarSide(). */
export async function openFarSide(program: URL): Promise<FarSide> {
  run('ip link set lo up');
  const child = fork(fileURLToPath(program), [], {
    execPath: 'unshare',
    execArgv: ['-n', process.execPath],
    serialization: 'advanced',
  });
  const reports = createReports(child);
  await reports.next('done');
  const order = async (message: FarOrder): Promise<void> => {
    child.send(message);
    await reports.next('done');
  };
  const far: FarSide = {
    send: (from, message, to) => order({ kind: 'send', from, message, to }),
    received: () => reports.next('received'),
    seen: () => reports.next('seen'),
    listen: (address, port) => order({ kind: 'listen', address, port }),
    run: (command) => order({ kind: 'run', command }),
    async connect({ name, near, far: theirs }, port) {
      run(`ip link add ${name} type veth peer name ${name} netns ${child.pid}`);
      for (const address of near) run(addAddress(address, name));
      run(`ip link set ${name} up`);
      for (const address of theirs) await far.run(addAddress(address, name));
      await far.run(`ip link set ${name} up`);
      for (const address of theirs) await far.listen(address.replace(/\/.*/, ''), port);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
  return far;
}

/** What the process says, by kind, in order. */
function createReports(child: ChildProcess) {
  const queues = new Map<string, FarReport[]>();
  let waiting: (() => void)[] = [];
  let gone = false;
  const wake = () => {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  };
  child.on('message', (message) => {
    const report = message as FarReport;
    queues.set(report.kind, [...(queues.get(report.kind) ?? []), report]);
    wake();
  });
  child.on('exit', () => {
    gone = true;
    wake();
  });
  return {
    async next<K extends FarReport['kind']>(kind: K): Promise<Extract<FarReport, { kind: K }>> {
      while (!queues.get(kind)?.length) {
        if (gone) throw new Error('the far side is gone');
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      return queues.get(kind)?.shift() as Extract<FarReport, { kind: K }>;
    },
  };
}
