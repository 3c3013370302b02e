// The matrix of tcp.
import { declareMatrix } from './_matrix.ts';

declareMatrix('tcp');
