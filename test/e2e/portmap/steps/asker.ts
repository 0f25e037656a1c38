/** A program in a host's namespace that asks the router as the daemon does, one question after the other. */
import { join } from 'node:path';
import { type Host, REPOSITORY } from '../../lab/index.js';

const PROGRAM = join(REPOSITORY, 'test/fixtures/portmap/ask-router.mjs');

export interface Mapped {
  readonly protocol?: string;
  readonly externalPort?: number;
  readonly externalAddress?: string;
  readonly leaseSeconds?: number;
  readonly code?: string;
  readonly failures?: readonly { readonly protocol: string; readonly kind: string; readonly why: string }[];
}

export interface Asker extends AsyncDisposable {
  map(question: { readonly protocol: string; readonly port: number; readonly reflexive?: string }): Promise<Mapped>;
  /** kept, lost, silent or absent. */
  inquire(protocol: string): Promise<string>;
  release(protocol: string): Promise<boolean>;
}

export function openAsker(host: Host): Asker {
  const child = host.spawn([process.execPath, PROGRAM]);
  const ask = (question: object): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      child.exited.then(() => reject(new Error(`the program ended: ${child.stderr}`)));
      const once = (line: string): void => resolve(JSON.parse(line));
      answers.push(once);
      child.write(`${JSON.stringify(question)}\n`);
    });
  const answers: ((line: string) => void)[] = [];
  child.onLine((line) => answers.shift()?.(line));
  return {
    map: ({ reflexive = host.publicAddress, ...question }) => ask({ verb: 'map', reflexive, ...question }),
    inquire: async (protocol) => String((await ask({ verb: 'inquire', protocol }))['kind']),
    release: async (protocol) => (await ask({ verb: 'release', protocol }))['released'] === true,
    [Symbol.asyncDispose]: () => child.kill(),
  };
}
