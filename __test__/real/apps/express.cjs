const express = require('express');
const ask = require('./ask.cjs');

const app = express();
app.get('/', (request, response) => response.json({ hello: 'ring' }));
const server = app.listen(0, '127.0.0.1', () => ask(server));
