// Files on io_uring.
import { declareCases } from './_files.ts';

declareCases();
