// Time-outs on io_uring.
import { declareTimeouts } from './_timeouts.ts';

declareTimeouts();
