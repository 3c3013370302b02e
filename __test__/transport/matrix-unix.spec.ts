// The matrix of unix.
import { declareMatrix } from './_matrix.ts';

declareMatrix('unix');
