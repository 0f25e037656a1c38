/** YAML text as the yaml package's document, with findings in our words and a bound on depth. */
import type { CST, LineCounter, ParsedNode } from 'yaml';
import { describeSyntaxError, type Finding } from './syntax.js';

export type YamlModule = typeof import('yaml');

/** Levels of lists and mappings. The package recurses, and running out of stack inside a regular expression ends the process. */
export const DEEPEST = 64;

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
  const [first, second] = composer.compose(tokens, true, text.length);
  const errors = (first?.errors ?? []).map(finding);
  if (second) errors.push({ offset: second.range[0], text: describeSyntaxError('MULTIPLE_DOCS') });
  return { contents: first?.contents ?? null, errors, warnings: (first?.warnings ?? []).map(finding) };
}

function finding(problem: { readonly pos: [number, number]; readonly code: string }): Finding {
  return { offset: problem.pos[0], text: describeSyntaxError(problem.code) };
}

/** The parser keeps a stack of its own; its height is the depth, with a few entries for the document and what is being read. */
function tokenize(yaml: YamlModule, text: string, lineCounter: LineCounter): CST.Token[] | Finding {
  const parser = new yaml.Parser(lineCounter.addNewLine);
  const tokens: CST.Token[] = [];
  lineCounter.addNewLine(0);
  for (const lexeme of new yaml.Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > DEEPEST + 4)
      return { offset: parser.offset, text: `lists and mappings are nested deeper than ${DEEPEST} levels` };
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}
