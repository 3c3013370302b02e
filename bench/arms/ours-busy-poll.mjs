import { spinning } from '../lib/spinning.mjs';
import ours from './ours.mjs';

export default spinning(ours);
