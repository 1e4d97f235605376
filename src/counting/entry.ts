/** The thread of one count: it is ended where nobody waits for it any more. */

import { parentPort, workerData } from 'node:worker_threads'
import { type Walk, walk } from './walk.js'

parentPort?.postMessage(walk(workerData as Walk))
