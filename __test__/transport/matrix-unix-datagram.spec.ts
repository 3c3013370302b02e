// The matrix of UNIX-domain datagrams, which core has none of.
import { declareMatrix } from './_matrix.ts';

declareMatrix('unix datagram');
