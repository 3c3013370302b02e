/**
 * An entry point of its own, so that `register` loads nothing of this package before one of core's modules is asked for.
 */
export { selectBackend } from '../support.ts';
