import { connect, type Socket } from 'node:net'

/** Many requests that wait, each on a connection of its own. */
export interface IdlePolls {
  /** Resolves when every one has been answered. */
  allAnswered(): Promise<void>
  close(): Promise<void>
}

/** How many connections are opened at once: the accept queue of a server has an end. */
const STEP = 200

export async function idlePolls(port: number, path: string, count: number): Promise<IdlePolls> {
  const sockets: Socket[] = []
  const answers: Promise<void>[] = []
  while (sockets.length < count) {
    const step = Array.from({ length: Math.min(STEP, count - sockets.length) }, () =>
      poll(port, path),
    )
    for (const { socket, answered, connected } of step) {
      await connected
      sockets.push(socket)
      answers.push(answered)
    }
  }
  return {
    allAnswered: async () => void (await Promise.all(answers)),
    close: async () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function poll(
  port: number,
  path: string,
): { socket: Socket; connected: Promise<void>; answered: Promise<void> } {
  const connected = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const socket = connect({ host: '127.0.0.1', port }, () => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    connected.resolve()
  })
  socket.on('data', () => answered.resolve())
  socket.on('error', (error) => connected.reject(error))
  return { socket, connected: connected.promise, answered: answered.promise }
}
