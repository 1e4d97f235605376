/**
 * A thread beside a lane's child process, for what the lane cannot see to while a function keeps its event loop: that
 * it does not outlive a server that was killed, and that memory outside of the JavaScript heap has its limit too.
 */

import { workerData } from 'node:worker_threads'
import type { GuardTask } from './messages.js'

const LOOK_MS = 250
const MEGABYTE = 1024 * 1024

const { parentPid, maxResidentMb } = workerData as GuardTask

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL')
  // SIGABRT is what an exhausted heap ends with: the server takes both for the same.
  if (process.memoryUsage.rss() > maxResidentMb * MEGABYTE) process.kill(process.pid, 'SIGABRT')
}, LOOK_MS)
