// An application that knows nothing of io_uring but for the last lines, which tell what it ran on.
const { Redis } = require('ioredis');

async function main() {
  const redis = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1' });
  await redis.set('name', 'ring');
  const value = await redis.get('name');

  const { stats } = require('iouring-transport');
  const { handles } = stats();
  const closed = new Promise((resolve) => redis.once('end', resolve));
  await redis.quit();
  await closed;
  setTimeout(() => process.stdout.write(JSON.stringify({ value, handles, rest: stats().handles })), 50);
}

main();
