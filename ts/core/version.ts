/**
 * The version of Node whose core is followed where versions differ in ways that cannot be found out by looking.
 */
import process from 'node:process';

/** The first two numbers of the running version; in Bun, those of the version it stands in for. */
export const [CORE_MAJOR, CORE_MINOR] = process.versions.node.split('.').map(Number) as [number, number];
