/**
 * Modules of ours as programs see them, once they are loaded. Core's http2 and https connect with what `net.connect` and `tls.connect` are at that moment, so
 * that who replaces one of them (a mock, an instrument) is asked; what stands in for core's does the same.
 */
export const exported: {
  net?: { readonly connect: (...args: any[]) => any };
  tls?: { readonly connect: (...args: any[]) => any };
} = {};
