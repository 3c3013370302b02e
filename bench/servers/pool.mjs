/**
 * The client of the scenario `pool`: `node pool.mjs MODULE MODE ADDRESS`. Sends requests over a pool of connections, as one makes it by hand, and reads the answers.
 *
 * MODULE   what to import: `node:net` or `iouring-transport/net`
 * MODE     `pool`
 * ADDRESS  `host:port` of a server that sends back what it gets
 *
 * See `requester.mjs` for the rest.
 */
import process from 'node:process';
import { CONNECTIONS, runRequester } from './requester.mjs';

const [name, , address] = process.argv.slice(2);
const module = await import(name);
const net = module.default ?? module;
const [, host, port] = /^(.*):(\d+)$/.exec(address);

/** A connection that answers one request after the other. */
class Client {
  #socket;
  #parts = [];
  #missing = 0;
  #answer;

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#answer?.reject(error));
  }

  static connect() {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port: Number(port), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Client(socket));
      });
    });
  }

  /** Resolves to as many bytes as were sent. */
  request(bytes) {
    this.#missing = bytes.length;
    this.#socket.write(bytes);
    return new Promise((resolve, reject) => (this.#answer = { resolve, reject }));
  }

  #take(bytes) {
    this.#missing -= bytes.length;
    if (this.#missing > 0) {
      this.#parts.push(bytes);
      return;
    }
    const whole = this.#parts.length === 0 ? bytes : Buffer.concat([...this.#parts.splice(0), bytes]);
    this.#answer.resolve(whole);
  }
}

/** Lends a connection to one at a time. */
class Pool {
  #idle;
  #waiting = [];

  constructor(clients) {
    this.#idle = clients;
  }

  async use(work) {
    const client = this.#idle.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      return await work(client);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(client);
      else next(client);
    }
  }
}

const pool = new Pool(await Promise.all(Array.from({ length: CONNECTIONS }, () => Client.connect())));
await runRequester((bytes) => pool.use(async (client) => (await client.request(bytes)).equals(bytes)));
