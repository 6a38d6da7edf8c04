/** One message of a watch, from either form. */
export interface WatchMessage {
  readonly event: string
  /** Absent where a resume must not begin. */
  readonly id?: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Reads a watch message by message, without a library: it judges the bytes. */
export class WatchReader {
  readonly response: Response
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  readonly #isSse: boolean
  #text = ''

  constructor(response: Response) {
    if (response.status !== 200 || response.body === null) {
      throw new Error(`no watch: ${response.status}`)
    }
    this.response = response
    this.#isSse = response.headers.get('Content-Type') === 'text/event-stream'
    this.#reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  }

  /** Throws at the end of the stream. */
  async next(): Promise<WatchMessage> {
    const message = await this.nextOrEnd()
    if (message === null) throw new Error('the watch has ended')
    return message
  }

  async nextOrEnd(): Promise<WatchMessage | null> {
    const mark = this.#isSse ? '\n\n' : '\n'
    for (;;) {
      const end = this.#text.indexOf(mark)
      if (end >= 0) {
        const whole = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + mark.length)
        return this.#isSse ? fromSse(whole) : (JSON.parse(whole) as WatchMessage)
      }
      const { done, value } = await this.#reader.read()
      if (done) return null
      this.#text += this.#decoder.decode(value, { stream: true })
    }
  }

  async take(n: number): Promise<WatchMessage[]> {
    const messages: WatchMessage[] = []
    while (messages.length < n) messages.push(await this.next())
    return messages
  }

  async ends(): Promise<boolean> {
    return (await this.nextOrEnd()) === null && this.#text === ''
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel()
  }
}

function fromSse(text: string): WatchMessage {
  const fields = new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    }),
  )
  const id = fields.get('id')
  return {
    event: fields.get('event') ?? '',
    ...(id === undefined ? {} : { id }),
    data: JSON.parse(fields.get('data') ?? '') as WatchMessage['data'],
  }
}
