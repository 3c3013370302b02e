// Payloads on io_uring, against a model.
import { declarePayloadModel } from './_payload-model.ts';

declarePayloadModel();
