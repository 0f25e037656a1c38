/** Compiles the addon; replaced by its engineer. */
