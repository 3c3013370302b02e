/**
 * What core has as globals alone, and in no module: as it was when this was loaded, whatever a program puts in its place later.
 */
export const { AbortController, AbortSignal, DOMException, structuredClone } = globalThis;
export type AbortSignal = globalThis.AbortSignal;
