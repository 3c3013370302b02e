/**
 * Which backend the facades of sockets have: the ring, unless Node's permission model guards the network.
 */
import process from 'node:process';
import { selectBackend, type Backend } from './support.ts';

/**
 * The backend for a facade of sockets that is being imported.
 *
 * Where the permission model (`--permission`) covers the network, from Node 25 on, it guards core's functions alone. What it forbids must not be had by another
 * way: the facades are core's then, whatever `IOURING_TRANSPORT` says. They are the ring's only where the network is allowed and cannot be forbidden later.
 *
 * @throws {IouringUnavailableError} where `IOURING_TRANSPORT=uring` demands what cannot be had.
 */
export function selectSocketBackend(): Backend {
  return isGuarded() ? 'core' : selectBackend();
}

function isGuarded(): boolean {
  const { permission } = process as { permission?: { has(scope: string): boolean; drop?: unknown } };
  if (permission === undefined || !process.allowedNodeEnvironmentFlags.has('--allow-net')) return false;
  return permission.drop !== undefined || !permission.has('net');
}
