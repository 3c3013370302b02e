// What `configure()` takes, refuses and does. Each case is a process of its own: a thread's ring is configured once.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import test from 'ava';
import { support } from 'iouring-transport';
import { needs } from './_needs.ts';

const onRing = needs('io_uring', support().backend === 'uring', test);

/** Runs a module with `configure`, `support` and `stats` at hand, and returns what it printed as JSON. */
function evaluate(script: string, environment: Record<string, string> = {}): unknown {
  const { IOURING_TRANSPORT: _, IOURING_TRANSPORT_DRIVER: __, ...inherited } = process.env;
  const head = `import { configure, support, stats } from 'iouring-transport';
    const print = (value) => process.stdout.write(JSON.stringify(value));
    const attempt = (...options) => { try { configure(...options); return 'done'; } catch (error) { return error.code + ' ' + error.name; } };`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', head + script], {
    env: { ...inherited, ...environment },
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

/** An echo over a connection of `net`, with what it ends with at hand. */
const ECHO = `
  const echo = async (text) => {
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = net.connect(server.address().port, '127.0.0.1');
    client.end(text);
    let answer = '';
    for await (const chunk of client) answer += chunk;
    server.close();
    return answer;
  };`;

const EVERYTHING = {
  submissionEntries: 128,
  completionEntries: 1024,
  setupFlags: [],
  receiveBuffers: 32,
  receiveBufferSize: 8192,
  completionsPerRound: 100,
  roundsPerTurn: 3,
  turnTime: 500,
  driver: 'uv',
  ioWorkers: { bounded: 2, unbounded: 3 },
  busyPoll: 20,
  trace: false,
};

onRing('what is configured is what the ring is made with', (t) => {
  const settings = evaluate(`configure(${JSON.stringify(EVERYTHING)}); print(support().settings);`);
  t.deepEqual(settings, EVERYTHING);
});

onRing('a facade that is imported first does no harm, and the ring works afterwards', (t) => {
  const [settings, answer, held] = evaluate(`
    import { once } from 'node:events';
    import net from 'iouring-transport/net';
    import fs from 'iouring-transport/fs';
    ${ECHO}
    configure(${JSON.stringify(EVERYTHING)});
    const text = 'x'.repeat(100_000);
    const answer = await echo(text);
    const file = await fs.open(process.execPath);
    await file.read(Buffer.alloc(10), 0, 10, 0);
    await file.close();
    setImmediate(() => print([support().settings, answer === text, stats().handles]));`) as [unknown, boolean, number];
  t.deepEqual(settings, EVERYTHING);
  t.true(answer);
  t.is(held, 0);
});

onRing('calls add up, undefined says nothing, and the last one wins', (t) => {
  const settings = evaluate(`
    configure({ receiveBuffers: 16, turnTime: 700 });
    support();
    configure({ turnTime: undefined, roundsPerTurn: 5 });
    configure({ roundsPerTurn: 6 });
    print(support().settings);`) as Record<string, unknown>;
  t.like(settings, { receiveBuffers: 16, receiveBufferSize: 16384, turnTime: 700, roundsPerTurn: 6 });
});

onRing('the completion queue follows the submission queue', (t) => {
  const sizes = (entries: number) =>
    evaluate(`configure({ submissionEntries: ${entries} }); const { submissionEntries, completionEntries } = support().settings;
      print([submissionEntries, completionEntries]);`);
  t.deepEqual(sizes(64), [64, 1024]);
  t.deepEqual(sizes(1024), [1024, 16384]);
});

onRing('after the first use it is too late', (t) => {
  const uses = {
    server: `import net from 'iouring-transport/net'; const used = net.createServer().listen(0); await new Promise((resolve) => used.close(resolve));`,
    socket: `import dgram from 'iouring-transport/dgram'; const used = dgram.createSocket('udp4').bind(0, () => used.close()); await new Promise((resolve) => used.once('close', resolve));`,
    file: `import fs from 'iouring-transport/fs'; await (await fs.open(process.execPath)).close();`,
  };
  for (const [name, use] of Object.entries(uses)) {
    const [outcome, before, after] = evaluate(`${use}
      const before = support().settings;
      print([attempt({ roundsPerTurn: 2 }), before, support().settings]);`) as [string, unknown, unknown];
    t.is(outcome, 'ERR_IOURING_IN_USE ReactorInUseError', name);
    t.deepEqual(before, after);
  }
});

onRing('each thread has its own', (t) => {
  const script = `
    import { Worker } from 'node:worker_threads';
    configure({ roundsPerTurn: 2 });
    const worker = new Worker(\`
      import { configure, support } from 'iouring-transport';
      import { parentPort } from 'node:worker_threads';
      const before = support().settings.roundsPerTurn;
      configure({ roundsPerTurn: 4 });
      parentPort.postMessage([before, support().settings.roundsPerTurn]);\`, { eval: true });
    worker.once('message', (message) => { print([support().settings.roundsPerTurn, message]); });`;
  t.deepEqual(evaluate(script), [2, [8, 4]]);
});

onRing('a worker may end at any time after its ring was made anew', (t) => {
  const script = `
    import { Worker } from 'node:worker_threads';
    let ended = 0;
    for (let i = 0; i < 4; i++) {
      const worker = new Worker(\`
        import { configure, support } from 'iouring-transport';
        for (let rounds = 1; rounds < 5; rounds++) { support(); configure({ roundsPerTurn: rounds, driver: rounds % 2 ? 'waiter' : 'uv' }); }
        if (${'${i}'} % 2) process.exit();\`, { eval: true });
      await new Promise((resolve) => worker.once('exit', resolve));
      ended++;
    }
    print(ended);`;
  t.is(evaluate(script), 4);
});

test('what is out of range, of another type or unknown is refused with core’s codes, and changes nothing', (t) => {
  const refused: [string, string][] = [
    ['', 'ERR_INVALID_ARG_TYPE TypeError'],
    ['null', 'ERR_INVALID_ARG_TYPE TypeError'],
    ['[]', 'ERR_INVALID_ARG_TYPE TypeError'],
    ['{ unknown: 1 }', 'ERR_INVALID_ARG_VALUE TypeError'],
    ['{ driver: "epoll" }', 'ERR_INVALID_ARG_VALUE TypeError'],
    ['{ setupFlags: ["sqpoll"] }', 'ERR_INVALID_ARG_VALUE TypeError'],
    ['{ setupFlags: "no-sqarray" }', 'ERR_INVALID_ARG_VALUE TypeError'],
    ['{ driver: "waiter", busyPoll: 1 }', 'ERR_INVALID_ARG_VALUE TypeError'],
    ['{ ioWorkers: 1 }', 'ERR_INVALID_ARG_TYPE TypeError'],
    ['{ ioWorkers: { bounded: -1 } }', 'ERR_OUT_OF_RANGE RangeError'],
    ['{ submissionEntries: 64, completionEntries: 64 }', 'ERR_OUT_OF_RANGE RangeError'],
    ['{ submissionEntries: 64, completionEntries: 8192 }', 'ERR_OUT_OF_RANGE RangeError'],
    ['{ receiveBuffers: 32768, receiveBufferSize: 1048576 }', 'ERR_OUT_OF_RANGE RangeError'],
  ];
  const ranges: Record<string, [number, number, boolean]> = {
    submissionEntries: [64, 32768, true],
    completionEntries: [512, 16384, true],
    receiveBuffers: [8, 32768, true],
    receiveBufferSize: [1024, 1048576, false],
    completionsPerRound: [1, 65536, false],
    roundsPerTurn: [1, 1024, false],
    turnTime: [50, 1000000, false],
    busyPoll: [0, 1000000, false],
  };
  for (const [name, [min, max, power]] of Object.entries(ranges)) {
    for (const value of [min - 1, max + 1, min + 0.5, NaN, Infinity, -Infinity, 2 ** 32, ...(power ? [min + 1] : [])])
      refused.push([`{ ${name}: ${value} }`, 'ERR_OUT_OF_RANGE RangeError']);
    for (const value of ['"64"', 'null', 'true', '{}', '64n'])
      refused.push([`{ ${name}: ${value} }`, 'ERR_INVALID_ARG_TYPE TypeError']);
  }
  const outcomes = evaluate(
    `const before = support().settings;
    const outcomes = [${refused.map(([options]) => `attempt(${options})`).join(', ')}];
    print([outcomes, JSON.stringify(before) === JSON.stringify(support().settings)]);`,
  ) as [string[], boolean];
  t.deepEqual(
    outcomes[0].map((outcome, index) => `${refused[index][0]} ${outcome}`),
    refused.map(([options, outcome]) => `${options} ${outcome}`),
  );
  t.true(outcomes[1]);
});

test('on core it is checked all the same, and has no effect', (t) => {
  const outcome = evaluate(
    `print([attempt({ busyPoll: 10 }), attempt({ busyPoll: -1 }), support().backend, 'settings' in support()]);`,
    { IOURING_TRANSPORT: 'core' },
  );
  t.deepEqual(outcome, ['done', 'ERR_OUT_OF_RANGE RangeError', 'core', false]);
});
