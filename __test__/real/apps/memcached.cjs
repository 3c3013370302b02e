// An application that knows nothing of io_uring but for the last lines, which tell what it ran on.
const memjs = require('memjs');

async function main() {
  const client = memjs.Client.create(`127.0.0.1:${process.argv[2]}`);
  await client.set('name', 'ring', {});
  const { value } = await client.get('name');
  await client.set('large', Buffer.alloc(524_288, 'x'), {});
  const { value: large } = await client.get('large');

  const { stats } = require('iouring-transport');
  const { handles } = stats();
  client.close();
  setTimeout(() => {
    process.stdout.write(JSON.stringify({ value: value.toString(), size: large.length, handles, rest: stats().handles }));
  }, 50);
}

main();
