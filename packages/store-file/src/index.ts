/** Placeholder until its author comes. */
export {};
