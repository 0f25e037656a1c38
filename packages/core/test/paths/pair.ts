/** The golden pair of the tests of checks: both sides' keys. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type PublicKey, parsePublicKey, SecretKey } from '#src/api/index.js';
import { createPairKeys, type PairKeys } from '#src/record/pair-keys.js';

export interface CheckVectors {
  readonly secretA: string;
  readonly secretB: string;
  readonly publicA: string;
  readonly publicB: string;
  readonly tags: readonly { readonly slot: string; readonly ab: string; readonly ba: string }[];
  readonly requests: readonly {
    readonly transactionId: string;
    readonly slot: string;
    readonly clockSane: boolean;
    readonly nominated: boolean;
    readonly betterPath: boolean;
    readonly type: 'host' | 'reflexive' | 'mapped' | 'configured' | 'learnt';
    readonly seconds: number;
    readonly ab: string;
    readonly ba: string;
  }[];
  readonly answers: readonly {
    readonly transactionId: string;
    readonly address: string;
    readonly port: number;
    readonly byA: string;
    readonly byB: string;
  }[];
}

export const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/paths/checks.json', import.meta.url), 'utf8'),
) as CheckVectors;

const key = (text: string): PublicKey => parsePublicKey(text) ?? assert.fail(`not a key: ${text}`);
export const keysOfA: PairKeys = createPairKeys(
  SecretKey.parse(vectors.secretA),
  key(vectors.publicA),
  key(vectors.publicB),
);
export const keysOfB: PairKeys = createPairKeys(
  SecretKey.parse(vectors.secretB),
  key(vectors.publicB),
  key(vectors.publicA),
);

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
