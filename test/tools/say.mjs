/** What the tools print: plain lines, coloured only on a terminal that wants it. */
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';

const coloured = process.stdout.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

/** Who hears what is said, colours included. @type {((text: string) => void) | undefined} */
let listener;

/** @param {number} code an SGR number @returns {(text: string) => string} */
const paint = (code) => (text) => (coloured || listener ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);
export const cyan = paint(36);

/** Writes one line to stdout. @param {string} line */
export function say(line = '') {
  listener?.(line);
  process.stdout.write(`${coloured ? line : stripVTControlCharacters(line)}\n`);
}

/** From now on whoever listens hears each line, coloured wherever it is printed. @param {(text: string) => void} hears */
export function listen(hears) {
  listener = hears;
}

/** Prints seconds the way all tools do. @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}
