/**
 * Many instances that beat, each every so often, in a process of their own: what they cost must not be
 * counted as the node's. Started by `beating.ts`, which says over IPC how many of them there are.
 *
 *     bun test/bench/beaters.ts PORT COUNT BATCH EVERY_MS CONNECTIONS
 *
 * The instances are those of `fillInstances`: i<number>, a hundred in each service. `BATCH` of them
 * beat in one request; 1 is one by one. Beats are spread evenly over the time between two of one
 * instance; one that cannot leave in time leaves late, and is counted as late.
 */
import { connect, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { percentile } from './figure.ts'
import { BEATING, PER_SERVICE } from './beating.ts'
import { serviceOf } from './filling.ts'

/** What it is told: those below this number beat. */
export interface BeatersHear {
  readonly below: number
}

/** What it says, every second, of the time since it said so last. */
export interface BeatersSay {
  /** Instances whose beat was answered as renewed. */
  readonly renewed: number
  /** Instances whose beat was answered otherwise. */
  readonly refused: number
  /** How long after its time the latest beat left. */
  readonly lateMs: number
  /** Of a request, from its sending. */
  readonly medianMs: number
}

const TICK_MS = 2
const REPORT_MS = 1_000
const SAMPLES_MAX = 100_000
const HEAD_END = Buffer.from('\r\n\r\n')

const [port = 0, count = 0, batch = 1, everyMs = 5_000, connections = 1] = process.argv
  .slice(2)
  .map(Number)
const requests = Array.from({ length: Math.ceil(count / batch) }, (_, unit) => requestOf(unit))
const beganMs = performance.now()
let below = 0
/** Of all requests that ever came due: the first that has not been sent. */
let next = 0
let renewed = 0
let refused = 0
let lateMs = 0
let tookMs: number[] = []

/** One request in flight at a time. A server may close it while it is idle: then it opens again. */
class Connection {
  #socket: Socket | null = null
  #isWaiting = false
  #sentMs = 0
  #received: Buffer = Buffer.alloc(0)

  send(request: Buffer): void {
    this.#isWaiting = true
    this.#sentMs = performance.now()
    this.#socket ??= this.#open()
    this.#socket.write(request)
  }

  #open(): Socket {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    socket.on('data', (data: Buffer) => this.#receive(data))
    socket.on('error', () => socket.destroy()) // Told by what is not answered then.
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      this.#socket = null
      if (this.#isWaiting) this.#end(false)
    })
    return socket
  }

  #end(isOk: boolean): void {
    if (isOk) renewed += batch
    else refused += batch
    this.#isWaiting = false
    this.#received = Buffer.alloc(0)
    free.push(this)
  }

  #receive(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data])
    const headEnd = this.#received.indexOf(HEAD_END)
    if (headEnd < 0) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN)
    const bodyAt = headEnd + HEAD_END.length
    if (this.#received.length < bodyAt + length) return
    if (tookMs.length < SAMPLES_MAX) tookMs.push(performance.now() - this.#sentMs)
    const body = this.#received.toString('utf8', bodyAt)
    this.#end(head.startsWith('HTTP/1.1 200') && isRenewed(body))
    sendDue()
  }
}

function isRenewed(body: string): boolean {
  return batch === 1 || body.includes(`"renewed":${batch}`)
}

function requestOf(unit: number): Buffer {
  if (batch === 1) {
    const service = serviceOf(BEATING, Math.floor(unit / PER_SERVICE))
    return post(`/v1/services/${service}/instances/i${unit}/heartbeat`, '')
  }
  const instances = Array.from({ length: batch }, (_, i) => unit * batch + i).map((i) => {
    return { service: serviceOf(BEATING, Math.floor(i / PER_SERVICE)), id: `i${i}` }
  })
  return post('/v1/heartbeats', JSON.stringify({ instances }))
}

function post(path: string, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`
  return Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
}

/** Sends what is due, as far as there are connections that wait for nothing. */
function sendDue(): void {
  const now = performance.now() - beganMs
  const due = Math.floor((now * requests.length) / everyMs)
  for (; next < due; next++) {
    const unit = next % requests.length
    if ((unit + 1) * batch > below) continue
    const connection = free.pop()
    if (connection === undefined) break
    lateMs = Math.max(lateMs, now - (next * everyMs) / requests.length)
    connection.send(requests[unit] as Buffer)
  }
}

function report(): void {
  const medianMs = percentile(tookMs, 50)
  process.send?.({ renewed, refused, lateMs, medianMs } satisfies BeatersSay)
  renewed = refused = lateMs = 0
  tookMs = []
}

// Whoever started us has ended, in whatever way.
process.on('disconnect', () => process.exit())
process.on('message', (heard: BeatersHear) => {
  below = heard.below
})
const free = Array.from({ length: connections }, () => new Connection())
setInterval(sendDue, TICK_MS)
setInterval(report, REPORT_MS)
