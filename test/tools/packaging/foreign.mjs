/** `node foreign.mjs PLATFORM SCRIPT ARGUMENT…`: runs a script by the Node of another processor, PLATFORM being linux-arm64 or linux-arm. */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { runtime } from './runtimes.mjs';

const [platform = '', ...words] = process.argv.slice(2);
const [program = '', ...args] = await runtime(platform);
const child = spawn(program, [...args, ...words], { stdio: 'inherit' });
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1;
});
