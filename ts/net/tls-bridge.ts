/**
 * Core's TLS over our sockets.
 *
 * A TLSSocket wraps whatever has no `_handle` of core's in a stream of JavaScript, which serves us well. But it also takes a
 * `net.Socket` without `_handle` for one that is still connecting, and waits for a 'connect' that has long been emitted.
 */

/** What a TLSSocket waits with for the socket it is given. Its source is all there is to know it by. */
const TLS_LISTENER = /^\(\) => \{\s*this\.connecting = false;\s*this\.emit\('connect'\);\s*\}$/;

/** Whether `listener` is a TLSSocket's, to be told at once where the connection stands already. */
export function isTlsListener(listener: unknown): boolean {
  return typeof listener === 'function' && TLS_LISTENER.test(Function.prototype.toString.call(listener));
}
