/**
 * One connection with everything that is known of it: how many bytes go each way, in which manner each side reads and writes, and whether somebody spoils
 * it. Both ends are in this process or in workers of it, so that one judge sees both.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes, fill, firstWrong } from './pattern.mjs';

/** In front of a client's bytes: the number of the conversation. */
export const HEADER = 4;

/** What a spoilt or refused connection may say of itself. */
const EXCUSES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ENOTCONN',
  'ECONNREFUSED',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Draws a conversation. `resets`: only TCP has them, and core does not always say 'close' after one. */
export function draw(random, id, { largest, resets }) {
  const side = () => ({
    read: random.pick(['flow', 'flow', 'pause', 'iterate', 'readable']),
    write: random.pick(['wait', 'wait', 'heap', 'cork', 'scribble']),
    piece: 1 + random.size(random.pick([64, 4096, 200_000])),
    pause: random.from(0, 20),
    random: random.fork(),
  });
  const plan = { id, up: random.size(largest), down: random.size(largest), client: side(), server: side(), spoiler: undefined };
  if (random.chance(0.3)) {
    const by = random.pick(['client', 'server']);
    plan.spoiler = {
      by,
      how: random.pick(['destroy', 'error', ...(resets ? ['reset', 'reset'] : [])]),
      after: random.size(by === 'client' ? plan.down : plan.up),
    };
  }
  return plan;
}

/** Plays one side of it on a socket that is connected or will be, to the socket's end. Tells what happened. */
export async function play(plan, side, socket, already = Buffer.alloc(0)) {
  const mine = plan[side];
  const [sends, expects] = side === 'client' ? [plan.up, plan.down] : [plan.down, plan.up];
  const [sendKey, readKey] = side === 'client' ? [2 * plan.id, 2 * plan.id + 1] : [2 * plan.id + 1, 2 * plan.id];
  const outcome = { received: 0, wrong: -1, ended: false, finished: false, closes: 0, error: undefined, spoilt: false };

  const closed = new Promise((resolve) => {
    socket.on('close', () => {
      outcome.closes++;
      resolve();
    });
  });
  socket.on('error', (error) => (outcome.error ??= error));
  socket.on('end', () => (outcome.ended = true));
  socket.on('finish', () => (outcome.finished = true));

  const take = (chunk) => {
    const wrong = firstWrong(chunk, readKey, outcome.received);
    if (wrong >= 0 && outcome.wrong < 0) outcome.wrong = outcome.received + wrong;
    outcome.received += chunk.length;
    // Nobody else reads these bytes.
    chunk.fill(0xaa);
    if (plan.spoiler?.by === side && outcome.received >= plan.spoiler.after) spoil(plan.spoiler.how, socket, outcome);
  };
  if (already.length > 0) take(already);
  const reading = READERS[mine.read](socket, take, mine);
  const writing = write(
    socket,
    sendKey,
    side === 'client' ? HEADER + sends : sends,
    mine,
    side === 'client' ? plan.id : undefined,
  );
  if (plan.spoiler?.by === side && plan.spoiler.after === 0) spoil(plan.spoiler.how, socket, outcome);
  await Promise.all([reading, writing, closed]);
  outcome.expected = expects;
  return outcome;
}

function spoil(how, socket, outcome) {
  if (outcome.spoilt) return;
  outcome.spoilt = true;
  if (how === 'reset') socket.resetAndDestroy();
  else socket.destroy(how === 'error' ? Object.assign(new Error('spoilt'), { code: 'ECONNABORTED' }) : undefined);
}

const READERS = {
  flow: async (socket, take) => void socket.on('data', take),
  pause: async (socket, take, { random, pause }) => {
    socket.on('data', (chunk) => {
      take(chunk);
      if (!random.chance(0.1)) return;
      socket.pause();
      setTimeout(() => socket.resume(), pause);
    });
  },
  iterate: async (socket, take, { random, pause }) => {
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        take(chunk);
        if (random.chance(0.05)) await sleep(pause);
      }
    } catch {
      // Told by 'error'.
    }
  },
  readable: async (socket, take, { random }) => {
    socket.on('readable', () => {
      for (;;) {
        const chunk = random.chance(0.5) ? socket.read() : (socket.read(1 + random.size(1000)) ?? socket.read());
        if (chunk === null) return;
        take(chunk);
      }
    });
  },
};

async function write(socket, key, length, { write: manner, piece, random }, id) {
  const header = id === undefined ? 0 : HEADER;
  for (let done = 0; done < length && socket.writable;) {
    const size = Math.min(done < header ? header - done : 1 + random.from(0, piece), length - done);
    const chunk = done < header ? Buffer.alloc(header) : bytes(key, done - header, size);
    if (done < header) chunk.writeUInt32BE(id);
    done += size;
    // Once it is written the memory is the writer's again.
    const written = manner === 'scribble' ? () => fill(chunk, key + 1, 7) : undefined;
    if (manner === 'cork') socket.cork();
    const room = socket.write(chunk, written);
    if (manner === 'cork') process.nextTick(() => socket.uncork());
    if (room || manner === 'heap') continue;
    const stop = new AbortController();
    const { signal } = stop;
    await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).catch(() => {});
    stop.abort();
  }
  socket.end();
}

/** Judges both sides of a conversation; `excused` where descriptors were short, or one side's thread was ended. The server may never have heard of it. */
export function judge(ledger, plan, client, server, excused) {
  const spoilt = plan.spoiler !== undefined && (client.spoilt || server?.spoilt === true);
  const what = `conversation ${plan.id}`;
  const detail = {
    up: plan.up,
    down: plan.down,
    spoiler: plan.spoiler,
    client: told(plan.client, client),
    server: told(plan.server, server),
  };
  for (const [side, outcome] of [
    ['client', client],
    ['server', server],
  ]) {
    if (outcome === undefined) continue;
    ledger.check(outcome.wrong < 0, `${what}: the ${side} reads what was written`, outcome.wrong, detail);
    ledger.check(outcome.received <= outcome.expected, `${what}: the ${side} reads nothing twice`, detail);
    ledger.check(outcome.closes === 1, `${what}: the ${side} hears one 'close'`, detail);
    ledger.count('bytes read', outcome.received);
    if (spoilt || excused) {
      const { error } = outcome;
      ledger.check(
        error === undefined || EXCUSES.has(error.code),
        `${what}: the ${side} fails with an errno that fits`,
        error?.code,
        detail,
      );
      continue;
    }
    ledger.check(outcome.error === undefined, `${what}: the ${side} has no error`, outcome.error, detail);
    ledger.check(
      outcome.received === outcome.expected && outcome.ended,
      `${what}: the ${side} reads everything to the end`,
      detail,
    );
    ledger.check(outcome.finished, `${what}: the ${side} finishes`, detail);
  }
  if (!spoilt && !excused) ledger.check(server !== undefined, `${what}: the server hears of it`, detail);
  ledger.count(spoilt ? 'connections spoilt' : excused ? 'connections excused' : 'connections');
}

const told = ({ read, write: manner, piece }, outcome) =>
  outcome && { read, write: manner, piece, received: outcome.received, ended: outcome.ended, error: outcome.error?.code };
