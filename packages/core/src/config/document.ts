/** YAML text as the yaml package's document, with findings in our words and a bound on depth. */
import type { CST, LineCounter, ParsedNode } from 'yaml';
import { describeSyntaxError, type Finding } from './syntax.js';

export type YamlModule = typeof import('yaml');

/** Levels of lists and mappings. The package recurses, and running out of stack inside a regular expression ends the process. */
export const DEEPEST = 64;

/** Words, signs and line ends of a file: 10,000 peers have about 230,000. The package takes some microseconds for each. */
const MOST_LEXEMES = 400_000;
/** Whoever has so many has another kind of file in his hands. */
export const MOST_FINDINGS = 100;
/** The package gathers them in quadratic time, and one is one too many here. */
const MOST_DIRECTIVES = 20;

export interface ComposedDocument {
  readonly contents: ParsedNode | null;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Parses one document; `lineCounter` learns its lines. */
export function composeDocument(yaml: YamlModule, text: string, lineCounter: LineCounter): ComposedDocument {
  const tokens = tokenize(yaml, text, lineCounter);
  if ('offset' in tokens) return { contents: null, errors: [tokens], warnings: [] };
  const composer = new yaml.Composer({
    lineCounter,
    prettyErrors: false, // they quote lines, which may hold secrets
    uniqueKeys: false, // checked by the reader of the tree, with both positions
    resolveKnownTags: false,
  });
  const [first, second] = withoutStacks(() => {
    const documents = composer.compose(tokens, true, text.length);
    return [documents.next().value, documents.next().value] as const;
  });
  const errors = (first?.errors ?? []).slice(0, MOST_FINDINGS).map(finding);
  if (second) errors.push({ offset: second.range[0], text: describeSyntaxError('MULTIPLE_DOCS') });
  return {
    contents: first?.contents ?? null,
    errors,
    warnings: (first?.warnings ?? []).slice(0, MOST_FINDINGS).map(finding),
  };
}

function finding(problem: { readonly pos: [number, number]; readonly code: string }): Finding {
  return { offset: problem.pos[0], text: describeSyntaxError(problem.code) };
}

const TOO_MUCH = `more than ${MOST_LEXEMES} words, signs and line ends up to here, or more than ${MOST_DIRECTIVES} directives; such a file is not read: give several daemons a part of it each`;

/** The package makes an Error for each mistake; the stacks of tens of thousands take longer than all else. */
function withoutStacks<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The parser keeps a stack of its own; its height is the depth, with a few entries for the document and what is being read. */
function tokenize(yaml: YamlModule, text: string, lineCounter: LineCounter): CST.Token[] | Finding {
  const parser = new yaml.Parser(lineCounter.addNewLine);
  const tokens: CST.Token[] = [];
  let lexemes = 0;
  let directives = 0;
  lineCounter.addNewLine(0);
  for (const lexeme of new yaml.Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
      if (token.type === 'directive') directives += 1;
    }
    lexemes += 1;
    if (lexemes > MOST_LEXEMES || directives > MOST_DIRECTIVES) return { offset: parser.offset, text: TOO_MUCH };
    if (parser.stack.length > DEEPEST + 4)
      return { offset: parser.offset, text: `lists and mappings are nested deeper than ${DEEPEST} levels` };
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}
