/** What every capture module does, on whichever system: the contract of api/capture as a list of cases. */
import assert from 'node:assert/strict';
import type { NetworkEvent } from '../api/index.js';
import { echoCases } from './capture-echo.js';
import { type CaptureCases, type CaptureHarness, patienceOf } from './capture-harness.js';
import { stunCases } from './capture-stun.js';
import type { ConformanceCase } from './case.js';
import { createInbox } from './inbox.js';

export type { CaptureHarness } from './capture-harness.js';

/** The cases; each opens and closes its own sockets. */
export function captureCases(harness: CaptureHarness): ConformanceCase[] {
  const cases = { ...stunCases(harness), ...echoCases(harness), ...networkCases(harness) };
  return Object.entries(cases).map(([name, run]) => ({ name, run }));
}

function networkCases(harness: CaptureHarness): CaptureCases {
  const { module, family, far } = harness;
  return {
    'it says what it is': async () => {
      assert.equal(module.kind, 'capture');
      assert.equal(module.apiVersion, 1);
      assert.match(module.name, /^[a-z][a-z0-9-]*$/);
      assert.ok(module.platforms.length > 0);
      return undefined;
    },

    'the interfaces show loopback and the one towards the far side, with their addresses': async () => {
      const interfaces = await module.listInterfaces();
      const own = interfaces.find((i) => i.name === harness.interface);
      assert.ok(own?.up && !own.loopback && own.index > 0);
      assert.ok(
        own.addresses.some((a) => a.family === family && a.address === harness.localAddress && a.prefixLength > 0),
      );
      assert.ok(interfaces.some((i) => i.loopback));
      return undefined;
    },

    'a route names interface and source, or is undefined': async () => {
      if (!module.routeTo) return { skipped: 'the module has no routeTo' };
      assert.deepEqual(await module.routeTo({ to: far.address, firewallMark: 0 }), {
        interface: harness.interface,
        source: harness.localAddress,
      });
      assert.equal(await module.routeTo({ to: harness.unreachable, firewallMark: 0 }), undefined);
      assert.equal(await module.routeTo({ to: far.address, firewallMark: 0, device: 'no-such-device' }), undefined);
      return undefined;
    },

    'F27 a changed network is reported until the watch is closed': async () => {
      const inbox = createInbox<NetworkEvent>(patienceOf(harness));
      const listen = (on: (event: NetworkEvent) => void) =>
        module.watchNetwork({ onChange: on, onFault: (error) => assert.fail(error) });
      const watch = await listen((event) => inbox.push(event));
      await harness.changeNetwork();
      await inbox.at(0, 'a network event');
      await watch[Symbol.asyncDispose]();
      await watch[Symbol.asyncDispose]();
      const heard = inbox.items.length;
      const witnessed = createInbox<NetworkEvent>(patienceOf(harness));
      await using _witness = await listen((event) => witnessed.push(event));
      await harness.changeNetwork();
      await witnessed.at(0, 'a network event of a second watch');
      assert.equal(inbox.items.length, heard);
      return undefined;
    },
  };
}
