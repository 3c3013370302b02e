import fastify from 'fastify';
import ask from './ask.cjs';

const app = fastify();
app.get('/', async () => ({ hello: 'ring' }));
await app.listen({ port: 0, host: '127.0.0.1' });
ask(app.server);
