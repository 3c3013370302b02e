// A ring that fails (a seccomp filter installed later, no memory for good; here its descriptor is taken away) leaves nobody waiting.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: when the ring fails every socket ends, the process hears why, and it can end`, (t) => {
    const { code, stdout, stderr } = run(
      `
      import { readdirSync, readlinkSync, closeSync } from 'node:fs';
      const rings = () => readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync('/proc/self/fd/' + fd) === 'anon_inode:[io_uring]';
        } catch {
          return false;
        }
      });
      const libuvs = new Set(rings()); // Its own, from Node 22 on, on which it does not survive a failure.
      const said = [];
      process.on('uncaughtException', (error) => said.push(error.code));
      process.on('exit', () => console.log(said.sort().join(' ')));
      server.on('error', (error) => { said.push('server ' + error.code); server.close(); });
      start();
      let failed = false;
      echoed = (count) => {
        if (failed || count < 3) return;
        failed = true;
        client.on('error', (error) => said.push('client ' + error.code)).on('close', () => {
          net.connect(1, '127.0.0.1').on('error', (error) => said.push('later ' + error.code));
        });
        for (const fd of rings()) if (!libuvs.has(fd)) closeSync(Number(fd));
      };
      setTimeout(() => server.close(), 500);`,
      driver,
      5000,
    );
    t.is(code, 0, stderr);
    for (const said of ['ERR_IOURING_RING_FAILED', 'client EBADF', 'later EBADF'])
      t.true(stdout.includes(said), `${said}: ${stdout} ${stderr}`);
  });
}
