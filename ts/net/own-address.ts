/**
 * The address of a host to listen at.
 */
import process from 'node:process';
import { CORE_MAJOR } from '../core/version.ts';
import { isLinkLocal } from './link-local.ts';

/** Whether core looks for an address that is no link-local one, which cannot be bound without its interface: from Node 22 on. */
const PASSES_OVER_LINK_LOCAL = CORE_MAJOR >= 22;

type Answer = (error: Error | null, address: string, family: number) => void;

/** Looks a host up for `server.listen()`. */
export function lookUpOwn(host: string, answer: Answer): void {
  // By the module object, where mocks exchange it.
  const dns = process.getBuiltinModule('node:dns');
  if (!PASSES_OVER_LINK_LOCAL) {
    dns.lookup(host, (error, address, family) => answer(error, address, address ? family : 4));
    return;
  }
  dns.lookup(host, { all: true }, (error, addresses) => {
    if (error) {
      answer(error, '', 4);
      return;
    }
    const { address, family } = addresses.find((each) => !isLinkLocal(each.address)) ?? addresses[0];
    answer(null, address, family || 4);
  });
}
