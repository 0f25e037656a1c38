/** A strict and small XML reader for what routers say: elements, attributes (skipped), text, CDATA; no document types, no entities but the five of XML itself; pure. */

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  /** Its own text, trimmed; that of its children is theirs. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** A description has some 200 elements, six deep for each of three devices. */
const MOST_ELEMENTS = 4_000;
const MOST_DEPTH = 24;
export const MOST_XML_CHARACTERS = 65_536;

const NAME = /[A-Za-z_][\w.:-]*/y;
const ATTRIBUTE = /\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*')/y;
const TAG_END = /\s*(\/?)>/y;
const SKIPPED: readonly (readonly [string, string])[] = [
  ['<?', '?>'],
  ['<!--', '-->'],
];
const CDATA = ['<![CDATA[', ']]>'] as const;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

interface Open {
  readonly qualified: string;
  readonly children: XmlElement[];
  readonly text: string[];
}

/** The root element; undefined: the text is not well-formed, or holds what is not read here. */
export function parseXml(document: string): XmlElement | undefined {
  if (document.length > MOST_XML_CHARACTERS) return undefined;
  const top: Open = { qualified: '', children: [], text: [] };
  const stack: Open[] = [top];
  let elements = 0;
  let at = document.startsWith('\ufeff') ? 1 : 0;
  while (at < document.length) {
    const inside = stack.at(-1) ?? top;
    if (document[at] !== '<') {
      const next = document.indexOf('<', at);
      const end = next < 0 ? document.length : next;
      const text = decodeText(document.slice(at, end));
      // Some routers send a zero byte after the last one.
      if (text === undefined || (inside === top && !/^[\s\0]*$/.test(text))) return undefined;
      inside.text.push(text);
      at = end;
      continue;
    }
    const skipped = SKIPPED.find(([begin]) => document.startsWith(begin, at));
    if (skipped || document.startsWith(CDATA[0], at)) {
      const [begin, finish] = skipped ?? CDATA;
      const end = document.indexOf(finish, at + begin.length);
      if (end < 0 || (!skipped && inside === top)) return undefined;
      if (!skipped) inside.text.push(document.slice(at + begin.length, end));
      at = end + finish.length;
      continue;
    }
    const closing = document[at + 1] === '/';
    const qualified = match(NAME, document, at + (closing ? 2 : 1))?.[0];
    // A document type begins with "<!", which is no name.
    if (qualified === undefined) return undefined;
    at += (closing ? 2 : 1) + qualified.length;
    if (!closing)
      for (let found = match(ATTRIBUTE, document, at); found; found = match(ATTRIBUTE, document, at))
        at += found[0].length;
    const end = match(TAG_END, document, at);
    if (!end || (closing && end[1] === '/')) return undefined;
    at += end[0].length;
    if (!closing) {
      elements += 1;
      if (elements > MOST_ELEMENTS || stack.length > MOST_DEPTH) return undefined;
      if (inside === top && top.children.length > 0) return undefined;
      const open: Open = { qualified, children: [], text: [] };
      if (end[1] === '/') inside.children.push(elementOf(open));
      else stack.push(open);
    } else {
      if (inside === top || inside.qualified !== qualified) return undefined;
      stack.pop();
      (stack.at(-1) ?? top).children.push(elementOf(inside));
    }
  }
  return stack.length === 1 ? top.children[0] : undefined;
}

/** The first child of this name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => {
    const [name] = Object.entries(ENTITIES).find(([, value]) => value === character) ?? [];
    return `&${name};`;
  });
}

function elementOf({ qualified, children, text }: Open): XmlElement {
  return { name: qualified.slice(qualified.lastIndexOf(':') + 1), text: text.join('').trim(), children };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Each "&" begins a reference to a character, or to one of the five entities. */
const BAD_REFERENCE = /&(?!(?:#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|amp|lt|gt|quot|apos);)/;
const REFERENCE = /&(?:#x([0-9a-fA-F]+)|#([0-9]+)|([a-z]+));/g;

/** undefined: it names an entity that XML does not have by itself, or no character. */
function decodeText(text: string): string | undefined {
  if (!text.includes('&')) return text;
  if (BAD_REFERENCE.test(text)) return undefined;
  let wrong = false;
  const decoded = text.replace(REFERENCE, (_, hexadecimal?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? '';
    const value = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    if (value > 0 && value <= 0x10ffff) return String.fromCodePoint(value);
    wrong = true;
    return '';
  });
  return wrong ? undefined : decoded;
}
