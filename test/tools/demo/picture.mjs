/** The demo's topology in plain ASCII, at most 78 columns wide. */

/**
 * @typedef {{ name: string, publicAddress: string, hostAddress: string, tunnelAddress: string }} Side
 * @param {Side} a @param {Side} b @param {string} stunServer
 */
export function drawTopology(a, b, stunServer) {
  const wide = 20;
  const middle = 34;
  const box = (/** @type {string} */ text) => `| ${text.padEnd(wide - 4)} |`;
  const edge = `+${'-'.repeat(wide - 2)}+`;
  const row = (/** @type {string} */ left, /** @type {string} */ between, /** @type {string} */ right) =>
    `  ${left.padEnd(wide)}${center(between, middle)}${right}`.trimEnd();
  const wire = `         |`;
  return [
    row('', `STUN server ${stunServer}`, ''),
    row('', '|', ''),
    `           +${center(' the public network ', 53, '-')}+`,
    row(wire, '', wire),
    row(`    ${a.publicAddress}`, '', `    ${b.publicAddress}`),
    row(edge, '', edge),
    row(box(`NAT of ${a.name}`), 'each NAT lets in only what', box(`NAT of ${b.name}`)),
    row(edge, 'answers its own host', edge),
    row(`    ${a.hostAddress}`, '', `    ${b.hostAddress}`),
    row(wire, '', wire),
    row(edge, '', edge),
    row(box(`host ${a.name}`), '- - > one shared folder < - -', box(`host ${b.name}`)),
    row(box(`tunnel ${a.tunnelAddress}`), '(all that both can reach)', box(`tunnel ${b.tunnelAddress}`)),
    row(edge, '', edge),
  ].join('\n');
}

/** @param {string} text @param {number} width */
function center(text, width, filler = ' ') {
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + left, filler).padEnd(width, filler);
}
