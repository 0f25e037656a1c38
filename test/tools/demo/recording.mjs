/** What was said on a terminal as an animated SVG: a line at a time, in the pace that a reader can follow; pure. */

/** @typedef {{ atMs: number, text: string }} Said a line or several, with SGR colours, and when */

/** Before the colours of ECMA-48. */
const ESC = '\u001b';
const COLUMN = 8.4;
const ROW = 18;
const FONT = 14;
const EDGE = 16;
const BAR = 30;
/** Real pauses, but none too short to read in and none that bores. */
const LEAST_PAUSE_MS = 280;
const MOST_PAUSE_MS = 1_200;
/** How long the end is shown before it begins anew. */
const REST_MS = 9_000;
const FIRST_MS = 400;

/** Classes by SGR numbers. @type {Readonly<Record<string, string>>} */
const CLASSES = { 1: 'b', 2: 'd', 31: 'r', 32: 'g', 33: 'y', 36: 'c' };

const STYLE = `
text{font:${FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6dde6;white-space:pre}
.b{font-weight:700;fill:#fff}.d{fill:#8894a3}.r{fill:#ff7b72}.g{fill:#4ac26b}.y{fill:#e3b341}.c{fill:#5cc8d7}`;

/**
 * @param {readonly Said[]} said
 * @param {{ title: string, command: string }} about `title` is read out by programs that do not see the picture
 * @returns {string}
 */
export function drawRecording(said, { title, command }) {
  const entries = [{ atMs: 0, text: `${ESC}[2m$${ESC}[0m ${command}` }, ...said];
  const shown = paced(entries);
  const rows = entries.flatMap(({ text }, i) => text.split('\n').map((line) => ({ spans: spans(line), entry: i })));
  const columns = Math.max(80, ...rows.map((row) => length(row.spans)));
  const width = Math.round(columns * COLUMN + 2 * EDGE);
  const height = BAR + rows.length * ROW + EDGE;
  const totalMs = (shown.at(-1) ?? 0) + REST_MS;
  const groups = entries.map((_, i) => {
    const lines = rows.flatMap((row, y) => (row.entry === i ? [drawLine(row.spans, BAR + (y + 1) * ROW - 5)] : []));
    return `<g class="f${i}">${lines.join('')}</g>`;
  });
  const frames = shown.map((atMs, i) => {
    const at = ((atMs / totalMs) * 100).toFixed(2);
    return `@keyframes k${i}{0%,${at}%{opacity:0}${at}%,100%{opacity:1}}.f${i}{animation:k${i} ${(totalMs / 1000).toFixed(2)}s step-end infinite}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${markup(title)}">`,
    `<title>${markup(title)}</title>`,
    // Who wants no motion sees the last frame.
    `<style>${STYLE}\n@media (prefers-reduced-motion:no-preference){${frames.join('')}}</style>`,
    `<rect width="${width}" height="${height}" rx="9" fill="#10151c"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, i) => `<circle cx="${EDGE + 6 + i * 20}" cy="17" r="6" fill="${fill}"/>`,
    ),
    ...groups,
    '</svg>\n',
  ].join('\n');
}

/** When each entry is shown. @param {readonly Said[]} entries @returns {number[]} */
function paced(entries) {
  let at = FIRST_MS;
  return entries.map(({ atMs, text }, i) => {
    const before = entries[i - 1];
    if (!before) return at;
    // An empty line comes with what follows it.
    const pause = before.text === '' ? 0 : Math.min(Math.max(atMs - before.atMs, LEAST_PAUSE_MS), MOST_PAUSE_MS);
    at += text === '' && i === entries.length - 1 ? 0 : pause;
    return at;
  });
}

/** @typedef {{ text: string, kind: string }} Span @param {string} line @returns {Span[]} */
function spans(line) {
  const [before = '', ...rest] = line.split(ESC);
  const painted = rest.map((part) => {
    const [code = '', text = ''] = [part.slice(1, part.indexOf('m')), part.slice(part.indexOf('m') + 1)];
    return { text, kind: CLASSES[code] ?? '' };
  });
  return [{ text: before, kind: '' }, ...painted].filter(({ text }) => text !== '');
}

/** @param {readonly Span[]} line */
const length = (line) => line.reduce((sum, { text }) => sum + text.length, 0);

/** Each part at its own column, as wide as its characters: a font of another width keeps the columns. @param {readonly Span[]} line @param {number} y */
function drawLine(line, y) {
  let column = 0;
  return line
    .map(({ text, kind }) => {
      const inner = text.trim();
      const x = EDGE + (column + text.length - text.trimStart().length) * COLUMN;
      column += text.length;
      if (inner === '') return '';
      const style = kind === '' ? '' : ` class="${kind}"`;
      return `<text${style} x="${round(x)}" y="${y}" textLength="${round(inner.length * COLUMN)}">${markup(inner)}</text>`;
    })
    .join('');
}

/** @param {number} value */
const round = (value) => Number(value.toFixed(1));

/** @param {string} text */
function markup(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
