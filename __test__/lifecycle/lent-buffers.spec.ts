// Receive buffers go back to the kernel when they have been read, whatever else there is to do: otherwise who waits for one waits for ever.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: no buffer stays lent after a turn that was used to its last round`, (t) => {
    const { code, stdout, stderr } = run(
      `
      const lent = [];
      let messages, limit = 0;
      const answer = (socket) => socket.on('data', (bytes) => { if (++messages < limit) socket.write(bytes); });
      server.removeAllListeners('connection');
      server.on('connection', answer);
      server.listen(0, '127.0.0.1', () => {
        client = net.connect(server.address().port, '127.0.0.1', async () => {
          answer(client);
          while (++limit <= 20) {
            messages = 0;
            client.write('x');
            const patience = Date.now() + 20_000;
            do await new Promise((resolve) => setTimeout(resolve, 5));
            while ((messages < limit || stats().buffersLent > 0) && Date.now() < patience);
            lent.push(stats().buffersLent);
          }
          console.log(Math.max(...lent));
          process.exit();
        });
      });`,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(stdout.trim(), '0');
  });
}
