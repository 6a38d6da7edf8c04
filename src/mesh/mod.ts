/**
 * The mesh: authenticated links between the nodes of a cluster, and what they say to each other.
 *
 * {@link Mesh} keeps one WebSocket to each peer. The replica queues messages during a turn of its
 * loop and flushes them at the end of it, one frame a peer; what arrives is handed over decoded and
 * checked. Nothing here decides about terms, votes or commands, and no message is sent twice:
 * Raft re-sends.
 *
 * Everything is synchronous over {@link MeshPorts}, so the simulator runs many of these over
 * sockets of its own. `DESIGN.md` tells the protocol; read `frame.ts`, `handshake.ts`, `link.ts`,
 * `mesh.ts`, then the codecs.
 *
 * Invariants:
 * 1. Nothing is decoded before its length, its checksum, its depth and its counts are known to fit.
 * 2. No message is delivered from a node before both sides proved the secret and accepted the
 *    other one; its sender is the proven one, whatever the bytes say.
 * 3. `up` and `down` alternate for each peer.
 * 4. What waits for a peer is bounded: past the bound it is dropped and the caller is told.
 *
 * @module
 */
export { decodeMessages, encodeMessage } from './codec.ts'
export { CodecError } from './fields.ts'
export { FRAME_BYTES_MAX, PROTOCOL_VERSION } from './frame.ts'
export type { Mac } from './handshake.ts'
export { hmacSha256, randomNonce } from './mac.ts'
export { Mesh } from './mesh.ts'
export type { WantedPeer } from './mesh.ts'
export { SnapshotFetch } from './snapshot-fetch.ts'
export type { FetchSink } from './snapshot-fetch.ts'
export { serveSnapshot } from './snapshot-serve.ts'
export type { SnapshotSource } from './snapshot-serve.ts'
export type { Stream, StreamEvents } from './streams.ts'
export type * from './peer.ts'
export { meshConfig } from './ports.ts'
export type { MeshConfig, MeshHost, MeshPorts, PeerStatus, Socket, SocketEvents } from './ports.ts'
