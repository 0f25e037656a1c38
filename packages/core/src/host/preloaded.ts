/** Modules that come with the program itself: none here; a bundle (test/tools/bundle.mjs) puts its own table in this file's place. */
import type { PreloadedModules } from './module-shape.js';

export const PRELOADED: PreloadedModules = {};
