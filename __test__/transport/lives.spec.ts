// Lives of workers on io_uring.
import { declareCases } from './_lives.ts';

declareCases();
