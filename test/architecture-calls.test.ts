/** The house rules about who may ask whom for what, below the level of layers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { circles, importGraph, includeGraph } from './architecture/circles.js';
import { none, places } from './architecture/findings.js';
import { packageNames, sources } from './architecture/source.js';

const core = sources(['packages/core/src']);

test('one caller of capture for each device: its underlay', () => {
  // Knowing the module: who loads it, hands it on, binds it to devices, or tries it out on loopback.
  const know =
    /\/src\/(api|testing|conformance|underlay|host|daemon)\/|\/doctor\/(create-)?context\.ts$|\/doctor\/checks\/capture\.ts$/;
  none(
    core
      .filter(({ path, imports }) => !know.test(path) && imports.some(({ names }) => names?.includes('CaptureModule')))
      .map(({ path }) => path),
    'a device asks by its underlay, which knows capture, mark, table and real name',
  );
  const callers = core.filter(
    ({ path }) => !/\/src\/(testing|conformance)\/|underlay\/underlay\.ts$|checks\/capture\.ts$/.test(path),
  );
  none(
    places(callers, /\bcapture\)?\??\.(openStunSocket|openEchoSocket|listInterfaces|routeTo|watchNetwork)\b/, 'bare'),
    'underlay/underlay.ts asks the capture',
  );
});

test('a controller is bound to its device: none takes a device as an argument', () => {
  const controllers = core.filter(({ path }) => path.includes('/src/controllers/'));
  none(
    places(controllers, /(?<!readonly device): DeviceEntry\b(?!\[)/, 'bare'),
    'device-session.ts hands each controller its device once',
  );
});

test('one writer of the phase of a peer: peers/phase.ts', () => {
  const others = core.filter(({ path }) => !/\/src\/peers\/phase\.ts$/.test(path));
  none(places(others, /\.phase\s*=(?!=)/, 'bare'), 'controllers ask peers/phase.ts to set or settle it');
});

test('port mapping is loaded only where it is switched on: nothing that the daemon loads at its start leads to it', () => {
  const reached = new Set(['packages/core/src/daemon/daemon.ts']);
  for (const path of reached)
    for (const { target, typeOnly, dynamic } of core.find((source) => source.path === path)?.imports ?? [])
      if (target && !typeOnly && !dynamic) reached.add(target);
  assert.ok(reached.size > 100 && reached.has('packages/core/src/controllers/port-mapping/port-mapping.ts'));
  none(
    [...reached].filter((path) => /\/src\/portmap\/|mapping-keeper/.test(path)),
    'controllers/port-mapping/port-mapping.ts imports it when it is wanted',
  );
});

test('no circles: between sources, and between C headers', () => {
  const all = sources(packageNames().map((name) => `packages/${name}/src`));
  const native = sources(
    packageNames().map((name) => `packages/${name}/native`),
    ['.c', '.h'],
  );
  assert.deepEqual(
    circles(
      new Map([
        ['a', ['b']],
        ['b', ['c', 'a']],
        ['c', ['c']],
      ]),
    ),
    ['c -> c', 'a -> b -> a'],
  );
  const [imports, includes] = [importGraph(all), includeGraph(native)];
  assert.ok([...imports.values()].flat().length > 500 && [...includes.values()].flat().length > 10, 'they are seen');
  none([...circles(imports), ...circles(includes)], 'what two files need of each other is a third one');
});
