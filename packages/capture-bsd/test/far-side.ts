/** The process on the far side of a namespace test. */
import { runFarSide } from '@stunmesh/core/testing/capture-lab';

runFarSide();
