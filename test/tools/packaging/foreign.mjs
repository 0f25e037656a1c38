/** `node foreign.mjs PLATFORM`: prints, as JSON, the start of a command line that runs a script by the Node of another processor, or (`newest`) by a newer one. */
import process from 'node:process';
import { runtime } from './runtimes.mjs';

// What has to be fetched is told on stdout too, before it.
process.stdout.write(`${JSON.stringify(await runtime(process.argv[2] ?? ''))}\n`);
