// A handle's place in the table may have a new owner before the news of its close has been dispatched.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: a server that failed, listened again and closed within one tick lets the process end`, (t) => {
    const { code, stdout, stderr } = run(
      `
      const second = net.createServer();
      for (const [name, it] of [['first', server], ['second', second]]) it.on('close', () => console.log(name));
      server.listen(0, '127.0.0.1', () => second.listen(server.address().port, '127.0.0.1'));
      second.on('error', (error) => {
        console.log(error.code);
        second.listen(0, '127.0.0.1', () => { server.close(); second.close(); });
      });`,
      driver,
      5000,
    );
    t.is(code, 0, stderr);
    t.deepEqual(stdout.trim().split('\n'), ['EADDRINUSE', 'first', 'second']);
  });
}
