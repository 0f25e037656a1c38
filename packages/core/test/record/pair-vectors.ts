/** Golden pairs of hosts: their keys, and all that is derived from what they share. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type PublicKey, parsePublicKey } from '#src/api/index.js';

export interface PairVector {
  readonly secretA: string;
  readonly secretB: string;
  readonly publicA: string;
  readonly publicB: string;
  readonly shared: string;
  readonly smaller: 'A' | 'B';
  readonly checkAB: { readonly tagKey: string; readonly macKey: string };
  readonly checkBA: { readonly tagKey: string; readonly macKey: string };
  readonly readerMarkAB: string;
  readonly readerMarkBA: string;
  readonly searchSeed: number;
  readonly storeAB: { readonly module: string; readonly secret: string };
  readonly storeBA: { readonly module: string; readonly secret: string };
}

export const PAIR_VECTORS = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/paths/pair-keys.json', import.meta.url), 'utf8'),
) as readonly PairVector[];
export const key = (text: string): PublicKey => parsePublicKey(text) ?? assert.fail(`not a key: ${text}`);
