import { connect, type Socket } from 'node:net'

/** A client that asks, and then reads nothing: what it is sent fills the sockets' buffers. */
export function stalledReader(port: number, path: string): Socket {
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    socket.pause()
  })
  socket.on('error', () => {}) // The other end gives it up in the end.
  return socket
}
