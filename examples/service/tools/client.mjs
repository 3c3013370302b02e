/** Requests over connections that are kept, on core's modules whatever the service runs on. */
import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';

/** One request. @returns status, headers and body; an error has `reused`: whether its connection had served a request before. */
export function ask(url, { agent, method = 'GET', headers, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, method, headers }, async (response) => {
      try {
        const chunks = await response.toArray();
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
      } catch (error) {
        reject(Object.assign(error, { answering: true }));
      }
    });
    asked.on('error', (error) => reject(Object.assign(error, { reused: asked.reusedSocket })));
    asked.end(body);
  });
}

/**
 * Connections that ask one request after the other, until they are told to stop.
 *
 * @param {() => { url: string, method?: string, headers?: object, body?: Buffer }} next
 */
export function startLoad(connections, next) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const seen = { statuses: new Map(), errors: [], micros: [] };
  let isStopping = false;
  const lanes = Array.from({ length: connections }, async () => {
    while (!isStopping) {
      const { url, ...options } = next();
      const from = performance.now();
      try {
        const { status } = await ask(url, { agent, ...options });
        seen.statuses.set(status, (seen.statuses.get(status) ?? 0) + 1);
        seen.micros.push((performance.now() - from) * 1000);
      } catch (error) {
        seen.errors.push(error);
        // Nobody listens any more: no need to ask as fast as the machine can.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  });
  return {
    seen,
    async stop() {
      isStopping = true;
      await Promise.all(lanes);
      agent.destroy();
      return seen;
    },
  };
}

/** A quantile of microseconds. */
export function quantile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
