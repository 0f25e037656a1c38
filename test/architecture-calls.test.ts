/** The house rules about who may ask whom for what, below the level of layers. */
import { test } from 'node:test';
import { none, places } from './architecture/findings.js';
import { sources } from './architecture/source.js';

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
