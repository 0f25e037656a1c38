/** Runs a test file as root in a network namespace of its own, with a far side in another one behind veth pairs. */
import type { Endpoint } from '@stunmesh/core/api';
import {
  addAddress,
  enterNamespace,
  type FarSide as LabFarSide,
  type Link,
  namespacesMissing,
  openFarSide as openLabFarSide,
} from '@stunmesh/core/testing/capture-lab';

export { nft, run } from '@stunmesh/core/testing/capture-lab';

/** Why tests here cannot run; undefined: they can. */
export const cannotRun: string | undefined = namespacesMissing();
export const inNamespace = (file: string): boolean => enterNamespace(file, cannotRun);

/** The far side with one port for all its sockets. */
export interface FarSide extends Omit<LabFarSide, 'send' | 'listen' | 'connect'> {
  send(from: Endpoint, message: Uint8Array, to: Endpoint): Promise<void>;
  /** One more UDP socket, on an address that its loopback gets, or on one of its own with a zone. */
  listen(address: string): Promise<void>;
}

/** Makes the far side: one veth pair for each link, and a UDP socket on each of its addresses and this port. */
export async function openFarSide(links: readonly Link[], port: number): Promise<FarSide> {
  const far = await openLabFarSide(new URL('far-side.js', import.meta.url));
  for (const link of links) await far.connect(link, port);
  return {
    ...far,
    send: (from, message, to) => far.send(from.address, message, to),
    async listen(address) {
      if (!address.includes('%')) await far.run(addAddress(address, 'lo'));
      await far.listen(address, port);
    },
  };
}
