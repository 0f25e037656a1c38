/** Writes build/stunmesh.1, the manual page, from the commands and the configuration's schema. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { createProgram } = await import('./dist/cli/program.js');
const { formatManual } = await import('./dist/cli/manual.js');
const nothing = () => undefined;
const folder = join(import.meta.dirname, 'build');
mkdirSync(folder, { recursive: true });
const context = { env: {}, cwd: '/', colour: false, stdout: nothing, stderr: nothing };
writeFileSync(join(folder, 'stunmesh.1'), formatManual(createProgram(context)));
