import { createServer } from 'node:http';
import express from 'express';
import ask from './ask.cjs';

const app = express();
app.get('/', (request, response) => response.json({ hello: 'ring' }));
const server = createServer(app);
server.listen(0, '127.0.0.1', () => ask(server));
