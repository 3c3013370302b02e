/**
 * The version of Node whose core is followed where versions differ in ways that cannot be found out by looking.
 */
import process from 'node:process';

/** The first two numbers of the running version; in Bun, those of the version it stands in for. */
export const [CORE_MAJOR, CORE_MINOR] = process.versions.node.split('.').map(Number) as [number, number];

/** The same of libuv, where it is that which decides; in Bun, which may name none, of the oldest that Node 20 comes with. */
export const [UV_MAJOR, UV_MINOR] = (process.versions['uv'] ?? '1.46.0').split('.').map(Number) as [number, number];
