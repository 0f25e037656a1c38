/** The scenarios on kernel devices, in the order in which they run, with what each shows. */
export const SCENARIOS = {
  byHand: 'two kernel WireGuard devices shake hands through two port-restricted NATs when told the endpoints',
  health: 'what kernel devices show of a peer is read as life, as an inbound initiation, or as neither',
  diversion:
    'diverted to another source port, 100 of 100 pings come back both ways, beside a firewall and a masquerade too',
  daemons: 'two daemons find them by themselves: file store, our own STUN server, ping through the tunnel',
  capture: 'the STUN probe leaves from the port that the kernel module holds, and its answer comes back',
  netlink: 'every published case of WireGuard control passes by netlink alone, without wg(8)',
  vrf: 'an echo socket bound to a WireGuard device inside a VRF sends and hears',
} as const;

/** Those that wait for minutes, and measure: on an idle machine, by name, `kernel-scenario.js daemons switching`. */
export const BY_NAME = {
  switching: 'a live session is moved to a link that came up, at 5 and at 20 packets a second each way (F48)',
} as const;

export type ScenarioName = keyof typeof SCENARIOS | keyof typeof BY_NAME;
