/** Which part of core may import which: the dependency rule as a table. */

/** A part may import every part of a layer further down in this list, and the types of its own layer. */
const LAYERS: readonly (readonly string[])[] = [
  ['cli'],
  ['daemon'],
  ['page'],
  ['doctor', 'setup', 'stun-server'],
  ['controllers', 'control', 'host'],
  ['peers', 'portmap'],
  ['paths'],
  ['nat'],
  ['store', 'stun', 'underlay', 'record', 'wireguard', 'config', 'telemetry'],
  ['runtime', 'net'],
  ['api', 'version'],
];

/** Published kits for authors of plugins stand beside the layers; the product imports them where KITS_USED says so. */
const KITS: Readonly<Record<string, readonly string[]>> = {
  'capture-kit': ['runtime', 'net', 'api'],
  testing: ['stun', 'record', 'runtime', 'net', 'api'],
  conformance: ['testing', 'runtime', 'net', 'api'],
};

/** `stunmesh plugin test` runs the published cases on the user's own plugin. */
const KITS_USED: Readonly<Record<string, readonly string[]>> = { doctor: ['conformance'], host: ['conformance'] };

/** The part of core that a source belongs to: its folder below src, or its own name for a file at the top. */
export function partOf(path: string): string | undefined {
  return /^packages\/core\/src\/([^/.]+)/.exec(path)?.[1];
}

/** Undefined when part `from` may import part `to`, or its types, else the reason why not. */
export function forbidden(from: string, to: string, typeOnly: boolean): string | undefined {
  if (from === to) return undefined;
  const kit = KITS[from];
  if (kit) return kit.includes(to) ? undefined : `${from} may import ${kit.join(', ')}`;
  if (KITS_USED[from]?.includes(to)) return undefined;
  if (to in KITS) return `${to} is for authors of plugins and for tests`;
  const above = rank(from);
  const below = rank(to);
  if (above === -1) return `${from} stands in no layer: give it its place in test/architecture/layers.ts`;
  if (below === -1) return `${to} stands in no layer`;
  return above < below || (above === below && typeOnly) ? undefined : `${to} is not below ${from}`;
}

function rank(part: string): number {
  return LAYERS.findIndex((layer) => layer.includes(part));
}

/** What controllers may use at run time; of other parts they may import types alone. */
export const CONTROLLERS_USE: readonly RegExp[] = [
  /^packages\/core\/src\/(controllers|peers|portmap|paths|nat|api|net|record|stun)\//,
  /^packages\/core\/src\/runtime\/(backoff|coalesce|semaphore|slices)\.ts$/,
];
