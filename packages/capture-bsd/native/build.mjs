/** Builds this package's addon, at install and by `node native/build.mjs --strict`. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon } from '@stunmesh/core/native/build.mjs';

const require = createRequire(import.meta.url);
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

buildAddon({
  packageName: '@stunmesh/capture-bsd',
  root,
  fileName: 'stunmesh_capture_bsd.node',
  // On Linux too: there the tests run its sockets, and the optional cap stands in for /dev/bpf.
  systems: ['freebsd', 'darwin', 'linux'],
  headers: () => require('node-api-headers').include_dir,
  prebuild: () => require('node-gyp-build').resolve(root),
});
