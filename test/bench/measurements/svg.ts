/** The little of SVG that the plots need: a card that follows dark and light by itself, texts, marks; pure. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

export function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export function tag(name: string, attributes: Attributes, inside = ''): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeMarkup(String(value))}"`)
    .join('');
  return inside === '' ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>`;
}

export function text(x: number, y: number, words: string, kind = '', anchor?: 'middle' | 'end'): string {
  return tag('text', { x, y, class: kind === '' ? undefined : kind, 'text-anchor': anchor }, escapeMarkup(words));
}

/** What it was before. */
export function diamond(x: number, y: number): string {
  return tag('path', { class: 'before', d: `M${x.toFixed(1)} ${(y - 6).toFixed(1)}l6 6l-6 6l-6-6z` });
}

/** A background of its own: whatever page it stands on, its colours are seen. */
const STYLE = `
.card{fill:#fff;stroke:#d9dee5}text{font:12px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1c2430}
.dim{fill:#57606c}.strong{font-weight:600}.axis{stroke:#d9dee5;fill:none}.run{fill:#1f6feb;fill-opacity:.55}.median{stroke:#0b4fbf;stroke-width:2.5}
.goal{stroke:#1a7f42;stroke-width:1.5;stroke-dasharray:4 3;fill:none}.before{stroke:#9a6700;stroke-width:1.5;fill:none}.bad{fill:#c4232f;font-weight:600}
.s0{stroke:#1f6feb;fill:none;stroke-width:2}.s1{stroke:#b34a05;fill:none;stroke-width:2}.s2{stroke:#1a7f42;fill:none;stroke-width:2}.s3{stroke:#8250df;fill:none;stroke-width:2}
.f0{fill:#1f6feb}.f1{fill:#b34a05}.f2{fill:#1a7f42}.f3{fill:#8250df}.cell{fill:#1a7f42}.none{fill:#eceff3}
@media (prefers-color-scheme:dark){.card{fill:#161c24;stroke:#2b3441}text{fill:#e4e9f0}.dim{fill:#9aa6b5}.axis{stroke:#2b3441}.run{fill:#79b0ff}.median{stroke:#a8ccff}
.goal{stroke:#3fb862}.before{stroke:#d9a520}.bad{fill:#ff7078}.s0{stroke:#79b0ff}.s1{stroke:#ee8a3c}.s2{stroke:#3fb862}.s3{stroke:#bc8cff}
.f0{fill:#79b0ff}.f1{fill:#ee8a3c}.f2{fill:#3fb862}.f3{fill:#bc8cff}.none{fill:#1f2731}}`;

export function card(
  size: { readonly width: number; readonly height: number },
  title: string,
  inside: readonly string[],
): string {
  const { width, height } = size;
  const head = { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' };
  const lines = [
    tag('title', {}, escapeMarkup(title)),
    tag('style', {}, STYLE),
    tag('rect', { class: 'card', x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 8 }),
    ...inside,
  ];
  return `${tag('svg', head, `\n${lines.join('\n')}\n`)}\n`;
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
