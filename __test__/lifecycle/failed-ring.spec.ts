// A ring that fails (a seccomp filter installed later, no memory for good; here its descriptor is taken away) leaves nobody waiting.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: when the ring fails every socket ends, the process hears why, and it can end`, (t) => {
    const { code, stdout, stderr } = run(
      `
      import { readdirSync, readFileSync, readlinkSync, closeSync } from 'node:fs';
      // Not libuv's, from Node 22 on, on whose failure it does not survive: ours are for 4096 completions.
      const rings = () => readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync('/proc/self/fd/' + fd) === 'anon_inode:[io_uring]' &&
            readFileSync('/proc/self/fdinfo/' + fd, 'utf8').includes('CqMask:\\t0xfff\\n');
        } catch {
          return false;
        }
      });
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
        for (const fd of rings()) closeSync(Number(fd));
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
