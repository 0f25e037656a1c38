/** The parts of the official SDK that the store uses; at run time this is build/sdk.js, made by bundle.mjs. */
export { BaseRecords } from 'cloudflare/resources/dns/records';
export { BaseZones } from 'cloudflare/resources/zones/zones';
export { createClient } from 'cloudflare/tree-shakable';
