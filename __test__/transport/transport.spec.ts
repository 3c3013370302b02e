// A transport's workers on io_uring.
import { declareCases } from './_transport.ts';

declareCases();
