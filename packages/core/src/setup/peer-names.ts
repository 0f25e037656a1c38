/** Names of peers in the comments of wg-quick files, as people and set-up scripts write them. Pure. */

/** What stands before a name: "Client", "begin", "BEGIN_PEER", "Name =". */
const BEFORE = /^(?:begin[ _]peer|begin|client|peer|user|(?:friendly_?)?name)(?:\s*[:=]\s*|\s+)/i;
/** What stands after one: "(c3b1…)", or the hashes that frame it. */
const AFTER = /\s*(?:\([^()]*\))?\s*#*\s*$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,31}$/;

/**
 * "# office", "### Client alice", "# Client: alice (uuid)", "# BEGIN_PEER alice", "# Name = office"; undefined for a setting that was
 * commented out, the end of a block, and anything with a key in it.
 */
export function nameIn(comment: string): string | undefined {
  const text = comment.replace(/^[\s#]+/, '').replace(AFTER, '');
  if (/^end[ _]/i.test(text) || /key/i.test(text)) return undefined;
  const name = text.replace(BEFORE, '').trim();
  return NAME.test(name) ? name : undefined;
}
