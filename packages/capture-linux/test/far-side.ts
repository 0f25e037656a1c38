/** The process on the far side of a namespace test, which also sees packets as they came over the wire. */
import { runFarSide } from '@stunmesh/core/testing/capture-lab';
import { loadNative } from '#src/native.js';

// As the kernel got them: nothing in between has looked at the checksum yet.
runFarSide((report) => {
  const native = loadNative();
  const { AF_INET, AF_INET6, SOCK_RAW, IPPROTO_UDP } = native.constants;
  for (const family of [4, 6] as const) {
    const socket = native.open(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_UDP);
    native.start(socket, 65_536, (error, packet) => {
      if (!error) report({ kind: 'seen', family, packet });
    });
  }
});
