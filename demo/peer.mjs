/** A process of the demo: it says when it is ready, and answers what it is asked. */
import { fork } from 'node:child_process';
import { inRoot } from '../scripts/lib.mjs';

/** The end in the demo. */
export class Peer {
  #process;
  #ended;
  #asked = [];

  /** Starts a script of this folder. Resolves when it is ready. */
  static async start(script, args) {
    const peer = new Peer(script, args);
    peer.ready = await peer.#next();
    return peer;
  }

  constructor(script, args) {
    this.#process = fork(inRoot('demo', script), args, {
      cwd: inRoot('.'),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // The demo has said it already.
      execArgv: ['--disable-warning=IOURING_TRANSPORT_FALLBACK'],
    });
    this.#process.on('message', (message) => {
      const waiting = this.#asked[0];
      if (message.progress !== undefined) waiting?.onProgress?.(message.progress);
      else if (message.error !== undefined) this.#asked.shift()?.reject(new Error(message.error));
      else this.#asked.shift()?.resolve(message.answer);
    });
    this.#ended = new Promise((resolve) => {
      this.#process.on('exit', (status, signal) => {
        const error = new Error(`${script} ended early: ${signal ?? `status ${status}`}`);
        for (const { reject } of this.#asked.splice(0)) reject(error);
        resolve();
      });
    });
  }

  #next(onProgress) {
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject, onProgress }));
  }

  /** Asks for something. Resolves to the answer; progress is reported meanwhile. */
  ask(question, onProgress) {
    const answer = this.#next(onProgress);
    this.#process.send(question);
    return answer;
  }

  /** Ends it. */
  async stop() {
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
  }
}
