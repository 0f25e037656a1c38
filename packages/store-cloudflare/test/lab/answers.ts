/** Calls told apart, answers that refuse, and the check that an error shows no secret. */
import assert from 'node:assert/strict';
import type { StunmeshError } from '@stunmesh/core/api';
import { type Call, type FaultAnswer, TOKEN } from './api-server.js';

export const listing = ({ method, path }: Call): boolean => method === 'GET' && path.endsWith('/dns_records');
export const batching = ({ path }: Call): boolean => path.endsWith('/batch');

export const refused = (status: number, code: number, message = 'no', headers = {}): FaultAnswer => ({
  status,
  headers,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});

/** Neither the token nor a good part of `value` is in any part of the error. */
export function tellsNothing(error: StunmeshError, value = ''): void {
  for (const secret of [TOKEN, value.slice(0, 60)].filter((text) => text !== '')) {
    for (const text of [error.message, JSON.stringify(error), String(error.cause), String(error.stack)])
      assert.ok(!text.includes(secret), 'a secret stands in the error');
  }
}
