/** The two meshes that a simulated process may have. */
import { present } from '../../src/lib/assert.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { hmacSha256, Mesh, meshConfig } from '../../src/mesh/mod.ts'
import type { PeerIdentity, PeerMessage, Socket, SocketEvents } from '../../src/mesh/mod.ts'
import type { NodeId } from '../../src/raft/mod.ts'
import type { Replica } from '../../src/replica/mod.ts'
import { LightMesh, type Packet } from './light-mesh.ts'
import type { SimNode } from './node.ts'
import type { ProcessHost } from './process.ts'
import { dial } from './sockets.ts'

interface MeshHost {
  judge(peer: PeerIdentity): string | null
  up(peer: PeerIdentity): void
  down(id: NodeId): void
  receive(from: NodeId, messages: readonly PeerMessage[]): void
}

/** A stand-in that passes objects: see `light-mesh.ts`. */
export function openLightMesh(
  host: ProcessHost,
  identity: PeerIdentity,
  replica: () => Replica,
): LightMesh {
  const { plan, network } = host.around
  const peerAt = (id: NodeId): SimNode => host.around.node(id)
  return new LightMesh(identity, {
    encodes: plan.encodes,
    ordered: plan.network.ordered,
    silentMs: plan.electionMaxMs * 2,
    nowMs: () => host.node.readClock().nowMs,
    setTimer: (ms, run) => host.setTimer(ms, run),
    newLink: () => host.around.next(),
    channelTo: (id) => network.channel(host.node.at, peerAt(id).at),
    transmit: (to, packet, channel) => {
      const peer = peerAt(to)
      const deliver = (): void => peer.receivePacket(host.node.id, packet)
      if (channel !== null) return channel.send(deliver)
      const lateMs = isVote(packet) ? network.voteLatenessMs(plan.electionMaxMs) : 0
      network.datagram(host.node.at, peer.at, deliver, lateMs)
    },
    ...meshHost(host, replica),
  })
}

/** The mesh of `src/mesh`, over simulated sockets. */
export function openProductionMesh(
  host: ProcessHost,
  identity: PeerIdentity,
  replica: () => Replica,
): Mesh {
  const { plan, network, founding } = host.around
  const config = meshConfig({
    identity,
    secret: new Uint8Array([1, 2, 3]),
    dialsAlways: false,
    handshakeMs: plan.electionMaxMs,
    pingMs: Math.floor(plan.electionMaxMs / 2),
    silentMs: plan.electionMaxMs * 2,
    redialMinMs: 20,
    redialMaxMs: 200,
  })
  const dialTo = (url: string, events: SocketEvents): Socket => {
    const member = present(
      founding.find((candidate) => candidate.url === url),
      'a peer has a known address',
    )
    return dial(network, { from: host.node, to: host.around.node(member.id) }, events)
  }
  const ports = {
    dial: dialTo,
    nowMs: () => host.node.readClock().nowMs,
    setTimer: (ms: number, run: () => void) => host.setTimer(ms, run),
    random: host.chance.random,
    mac: hmacSha256,
    nonce: () => Uint8Array.from({ length: 32 }, () => host.chance.int(0, 255)),
    logger: silentLogger,
  }
  return new Mesh(config, ports, meshHost(host, replica))
}

function meshHost(host: ProcessHost, replica: () => Replica): MeshHost {
  return {
    judge: (peer) => replica().links.judge(peer),
    up: (peer) => replica().links.up(peer),
    down: (id) => replica().links.down(id),
    receive: (from, messages) => {
      for (const each of messages) {
        if (each.type === 'raft') host.around.observer.receiving(host.node, each.message)
      }
      replica().links.receive(from, messages)
    },
  }
}

function isVote(packet: Packet): boolean {
  if (packet.type !== 'frame') return false
  const [first] = packet.messages
  return first?.type === 'raft' && first.message.type === 'vote_response'
}
