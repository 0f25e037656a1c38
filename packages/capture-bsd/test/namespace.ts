/** Runs a test file as root in a network namespace of its own, with libpcap, and a far side in another one. */
import {
  enterNamespace,
  type FarSide,
  namespacesMissing,
  openFarSide as openLabFarSide,
} from '@stunmesh/core/testing/capture-lab';

export { type FarSide, nft, run } from '@stunmesh/core/testing/capture-lab';

/** Whether the optional package is there, with an addon for this very Node. */
async function capMissing(): Promise<string | undefined> {
  try {
    const name = 'cap';
    await import(name);
    return undefined;
  } catch {
    return 'needs the optional package cap (libpcap-dev and g++ at install)';
  }
}

/** Why tests here cannot run; undefined: they can. */
export const cannotRun: string | undefined = namespacesMissing() ?? (await capMissing());
export const inNamespace = (file: string): boolean => enterNamespace(file, cannotRun);
export const openFarSide = (): Promise<FarSide> => openLabFarSide(new URL('far-side.js', import.meta.url));
