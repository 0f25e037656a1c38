/** Builds this package's addon, at install and by `node native/build.mjs --strict`. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon } from '@stunmesh/core/native/build.mjs';

const require = createRequire(import.meta.url);
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

buildAddon({
  packageName: '@stunmesh/capture-linux',
  root,
  fileName: 'stunmesh_capture.node',
  systems: ['linux'],
  headers: () => require('node-api-headers').include_dir,
  prebuild: () => require('node-gyp-build').resolve(root),
});
