// However a process ends while operations are in flight, it ends at once, with its own exit code.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: process.exit inside a handler`, (t) => {
    const { code, stderr } = run(`start(); echoed = (n) => { if (n === 50) process.exit(7); };`, driver);
    t.is(code, 7, stderr);
  });

  test(`${driver}: process.exit right after the first call`, (t) => {
    const { code, stderr } = run(`server.listen(0); process.exit(8);`, driver);
    t.is(code, 8, stderr);
  });

  test(`${driver}: an uncaught exception in a handler ends the process`, (t) => {
    const { code, stderr } = run(`start(); echoed = () => { throw new Error('from a handler'); };`, driver);
    t.is(code, 1);
    t.regex(stderr, /Error: from a handler/);
  });

  test(`${driver}: a caught exception disturbs nobody else`, (t) => {
    const { code, stdout, stderr } = run(
      `
      let caught = 0;
      process.on('uncaughtException', () => { caught++; });
      start();
      echoed = (n) => {
        if (n % 2 === 1 && n < 20) { client.write('again'); throw new Error('every other time'); }
        if (n === 40) { console.log(caught); client.destroy(); server.close(); }
      };`,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(stdout.trim(), '10');
  });

  test(`${driver}: a natural end, with nothing left behind`, (t) => {
    const { code, stdout, stderr } = run(
      `
      start();
      echoed = (n) => { if (n === 100) { client.end(); server.close(); } };
      process.on('exit', () => { const { turns, ...rest } = stats(); console.log(JSON.stringify(rest), turns > 0); });`,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(
      stdout.trim(),
      '{"handles":0,"operations":0,"buffersLent":0,"starved":0,"backlog":0,"waiting":0,"bounces":0,"arena":0,"views":0} true',
    );
  });

  test(`${driver}: handles that are unref'd keep nothing alive`, (t) => {
    const { code, stderr } = run(
      `
      server.on('connection', (socket) => socket.unref());
      start();
      echoed = (n) => { if (n === 10) { client.unref(); server.unref(); } };`,
      driver,
    );
    t.is(code, 0, stderr);
  });

  test(`${driver}: what was written last is sent although the process exits`, (t) => {
    const { code, stdout, stderr } = run(
      `
      import { spawn } from 'node:child_process';
      import core from 'node:net';
      if (process.env.CHILD_PORT) {
        const socket = net.connect(Number(process.env.CHILD_PORT), '127.0.0.1', () => {
          socket.write('last words');
          socket.on('drain', () => {});
          process.exit(0);
        });
      } else {
        let heard = '';
        const listener = core.createServer((socket) => {
          socket.on('data', (bytes) => { heard += bytes; });
          socket.on('error', () => {});
          socket.on('close', () => { console.log(heard); listener.close(); });
        }).listen(0, '127.0.0.1', () => {
          spawn(process.execPath, process.execArgv, { env: { ...process.env, CHILD_PORT: listener.address().port }, stdio: 'inherit' });
        });
      }`,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(stdout.trim(), 'last words');
  });
}
