/**
 * `http.globalAgent`, which programs exchange by assignment.
 */
import type { Agent } from 'node:http';
import { define } from '../define.ts';

/** Where a module keeps its agent. */
export interface AgentHolder {
  getGlobalAgent(): Agent;
  setGlobalAgent(agent: Agent): void;
}

/** Makes `globalAgent` of a module's exports read and write what its requests use. */
export function mirrorAgent(exports: object, holder: AgentHolder): void {
  define(exports, 'globalAgent', {
    get: () => holder.getGlobalAgent(),
    set(agent: Agent) {
      holder.setGlobalAgent(agent);
    },
    enumerable: true,
    configurable: true,
  });
}
