// The same on core.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declarePayloadModel } = await import('./_payload-model.ts');

declarePayloadModel();
