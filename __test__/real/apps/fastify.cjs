const fastify = require('fastify');
const ask = require('./ask.cjs');

const app = fastify();
app.get('/', async () => ({ hello: 'ring' }));
app.listen({ port: 0, host: '127.0.0.1' }).then(() => ask(app.server));
