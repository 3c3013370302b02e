// The matrix of udp.
import { declareMatrix } from './_matrix.ts';

declareMatrix('udp');
