/**
 * `npm run coverage`, after the tests: branch coverage by area, from c8's json-summary (argument: the file; default coverage/coverage-summary.json).
 * Ends with 1 where an area that has a limit is below it, or was not measured at all.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { dim, green, red, say } from './say.mjs';

/** Per cent of branches that the controllers and the codecs have to reach. */
const LIMIT = 95;
const CORE = /\/packages\/core\/(?:src|dist)\//;
/** The first that fits counts; those without a limit are told for orientation. */
const AREAS = [
  { name: 'controllers', files: /^(controllers|peers|paths)\//, limit: LIMIT },
  { name: 'stun', files: /^(stun|nat)\//, limit: LIMIT },
  { name: 'net', files: /^net\//, limit: LIMIT },
  { name: 'record', files: /^record\//, limit: LIMIT },
  { name: 'wireguard codecs', files: /^wireguard\/(?:dump|uapi-codec)\.[jt]s$/, limit: LIMIT },
  { name: 'rest of the core', files: /./, limit: 0 },
];

const file = process.argv[2] ?? 'coverage/coverage-summary.json';
/** @type {Record<string, { readonly branches: { readonly total: number, readonly covered: number } }>} */
const summary = JSON.parse(readFileSync(file, 'utf8'));
const counts = AREAS.map((area) => ({ ...area, files: 0, covered: 0, total: 0 }));
for (const [path, { branches }] of Object.entries(summary)) {
  const [, inside] = path.replaceAll('\\', '/').split(CORE);
  const area = counts[AREAS.findIndex(({ files }) => inside !== undefined && files.test(inside))];
  if (!area) continue;
  area.files += 1;
  area.covered += branches.covered;
  area.total += branches.total;
}

say('area               files   branches          %   at least');
for (const { name, files, covered, total, limit } of counts) {
  const percent = total === 0 ? 0 : (100 * covered) / total;
  const reached = percent >= limit;
  if (!reached) process.exitCode = 1;
  // Cut, not rounded: 94.996 is below 95 and has to look like it.
  const shown = (Math.floor(percent * 100) / 100).toFixed(2);
  const line = `${name.padEnd(18)} ${String(files).padStart(5)} ${`${covered}/${total}`.padStart(10)} ${shown.padStart(10)}`;
  const paint = limit === 0 ? dim : reached ? green : red;
  say(paint(limit === 0 ? line : `${line} ${String(limit).padStart(10)}${reached ? '' : '  too low'}`));
}
