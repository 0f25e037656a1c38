/** What a YAML syntax error means, in words that never quote the file (F34). */

/** Something to say about a place of the text. */
export interface Finding {
  readonly offset: number;
  readonly text: string;
}

const QUOTE_HINT = 'put quotes around values with ": ", " #" or a leading one of [ ] { } & * ! | > % @ `';

const TEXTS: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias (*name) cannot have an anchor or a tag',
  BAD_ALIAS: `an alias (*name) without an anchor (&name) before it; ${QUOTE_HINT}`,
  BAD_COLLECTION_TYPE: 'a tag that does not fit its list or mapping',
  BAD_DIRECTIVE: `a line that begins with % is a directive and this is none; ${QUOTE_HINT}`,
  BAD_DQ_ESCAPE: 'an unknown escape after a backslash in double quotes; write \\\\ or use single quotes',
  BAD_INDENT: 'wrong indentation; what belongs together begins in the same column',
  BAD_PROP_ORDER: 'an anchor or a tag in the wrong place',
  BAD_SCALAR_START: `a value cannot begin with this character; ${QUOTE_HINT}`,
  BLOCK_AS_IMPLICIT_KEY: `a mapping cannot begin here; a key and its value stand on a line of their own, and ${QUOTE_HINT}`,
  BLOCK_IN_FLOW: 'an indented block cannot stand inside [ ] or { }; is a closing bracket missing?',
  KEY_OVER_1024_CHARS: 'a key of more than 1024 characters; is a colon or a quote missing?',
  MISSING_CHAR: 'something is missing here: a closing quote or bracket, a comma, or the colon after a key',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line with its colon; is a colon or a quote missing?',
  MULTIPLE_ANCHORS: 'a value can have one anchor (&name)',
  MULTIPLE_DOCS: 'a second document (---) in the file; one file is one configuration',
  MULTIPLE_TAGS: 'a value can have one tag (!name)',
  RESOURCE_EXHAUSTION: 'lists and mappings are nested too deeply',
  TAB_AS_INDENT: 'a tab; YAML is indented with spaces only',
  TAG_RESOLVE_FAILED: `an unknown tag (!name); ${QUOTE_HINT}`,
  UNEXPECTED_TOKEN: `unexpected text; ${QUOTE_HINT}`,
};

/** A sentence for an error code of the yaml package. */
export function describeSyntaxError(code: string): string {
  return (Object.hasOwn(TEXTS, code) ? TEXTS[code] : undefined) ?? 'not valid YAML';
}
