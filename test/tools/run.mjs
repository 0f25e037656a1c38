/** Runs a program to its end and hands back what it said; the tools' only way to start one. */
import { spawn } from 'node:child_process';

/**
 * @typedef {{ code: number, output: string, ms: number }} Ended stdout and stderr in the order they came
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, timeoutMs?: number }} [options]
 * @returns {Promise<Ended>} never rejects: a program that cannot be started has code 127
 */
export function run(program, args, { cwd, env, input, timeoutMs } = {}) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, [...args], { cwd, env, timeout: timeoutMs, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    const take = (/** @type {Buffer} */ piece) => {
      output += piece.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    const end = (/** @type {number} */ code) => resolve({ code, output, ms: performance.now() - began });
    child.on('error', (error) => {
      output += error.message;
      end(127);
    });
    child.on('close', (code, signal) => end(code ?? (signal ? 128 : 1)));
  });
}
